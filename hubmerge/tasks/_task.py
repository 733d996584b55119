"""What a task is: everything that differs between kinds of models, in one object.

A file of this package describes one task, and all other code asks the object: which configurations
it accepts, how rows of a data set are read for it, what is kept and reported of each row, and in
which words. Listing tasks imports no torch: what needs it is imported when it is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from hubmerge.data.column_types import ColumnKind
    from hubmerge.data.dataset import DataSet
    from hubmerge.data.reading import ReadFor, Reading
    from hubmerge.models.outputs import Outputs, RowStatistics

    Probe = Callable[[PreTrainedModel, int, int], dict[str, Tensor]]
    """Model, rows, seed -> inputs in float64, by the names its forward takes."""
    Combine = Callable[[Sequence[Outputs], np.ndarray | None], Outputs]
    """Outputs of several models on the same rows, and which model knows which label (bool [models,
    labels], None where all know all) -> the outputs of their ensemble."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """What figures of a task are called, and how a loss is shown.

    Parameters:
        accuracy: the main score, such as the share that is right.
        errs: whether a rate of errors, lower is better, is shown as the main score: 1 minus what
            is compared, which is below 0 where errors are more than what could be right.
        metric: the Hub's word for it.
        loss: what a loss is shown as; the exponential of it if `exponential`.
        nats: what a loss is in.
        kind: which loss it is.
        scale: how the figures in a table are to be read.
        measured: the figures of a contender, as a plan lists them.
        calibrates: whether a temperature means anything; else a loss is judged as it is.
        has_loss: whether each row has a loss. Where none has, the scores are shown with intervals,
            no path is measured, nothing is chosen by a loss, and the verdict is "not judged".
    """

    accuracy: str = "accuracy"
    errs: bool = False
    metric: str = "accuracy"
    loss: str = "loss"
    nats: str = "nats"
    kind: str = "cross-entropy"
    scale: str = "losses in nats"
    measured: str = "loss, accuracy and calibration error"
    exponential: bool = False
    calibrates: bool = True
    has_loss: bool = True

    def shown(self, loss: float | None) -> float | None:
        """What stands in a table for a mean loss in nats; None if that is no number."""
        if loss is None or not self.exponential:
            return loss
        return math.exp(loss) if loss < math.log(1e300) else None

    @overload
    def score(self, accuracy: float) -> float: ...

    @overload
    def score(self, accuracy: float | None) -> float | None: ...

    def score(self, accuracy: float | None) -> float | None:
        """What is shown for a main score."""
        return 1 - accuracy if self.errs and accuracy is not None else accuracy

    def gap(
        self, difference: float | None, low: float | None, high: float | None
    ) -> tuple[float | None, float | None, float | None]:
        """What is shown for a difference of main scores and its bounds."""
        if not self.errs:
            return difference, low, high
        mean, least, most = (
            None if each is None else 0.0 - each for each in (difference, high, low)
        )
        return mean, least, most

    @property
    def less(self) -> tuple[str, str]:
        """How a main score that is worse, and one that is better, stands to another."""
        return ("higher", "lower") if self.errs else ("lower", "higher")

    @property
    def judged(self) -> str:
        """The loss that a verdict judges."""
        return "calibrated loss" if self.calibrates else self.loss

    @property
    def chosen_by(self) -> str:
        """The loss by which one of several is chosen, with what is done to it."""
        return "loss after one temperature fitted on them" if self.calibrates else self.loss

    @property
    def tried(self) -> str:
        """What is shown of the loss by which one of several is chosen."""
        return f"calibrated {self.loss}" if self.calibrates else self.loss

    @property
    def headline(self) -> str:
        """The figure a verdict quotes."""
        return self.loss if self.exponential else self.accuracy

    def quoted(self, loss: float | None, accuracy: float | None) -> float | None:
        """What a verdict quotes of it."""
        return self.shown(loss) if self.exponential else self.score(accuracy)


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """Differences between a merge and a parent that the verdict lets pass.

    Parameters:
        accuracy: lost of the main score, and still "as good"; default 0.01.
        loss: of the judged loss added, and still "as good"; default 0.01.
        collapse: lost of the main score beyond which a merge should not be used; default 0.10.
    """

    accuracy: float = 0.01
    loss: float = 0.01
    collapse: float = 0.10


DEFAULT_WORDS, DEFAULT_TOLERANCES = Words(), Tolerances()


@dataclass(frozen=True, kw_only=True)
class Example:
    """What the code on a card needs beside the class that loads the model.

    Parameters:
        processor: the variable that holds what prepares inputs.
        before: lines before the imports.
        use: lines that use what was loaded.
        note: a paragraph after the code, in Markdown.
        once: what a pipeline of transformers is called with, as Python; empty where it has none for
            such models.
        in_library: the same for models made for another library than transformers.
    """

    processor: str = "processor"
    before: tuple[str, ...] = ()
    use: tuple[str, ...] = ()
    note: str = ""
    once: str = ""
    in_library: Example | None = None


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is measured of models whose outputs mean one thing.

    Parameters:
        name: what reports record.
        answers: columns that say what is right; None where inputs say it themselves.
        statistics: makes, for a configuration, what evaluation keeps of answers to labelled rows;
            from it come the loss of each row, every score, and the temperature, where one applies.
        combine: how outputs of the parents become those of their ensemble; None where too little is
            kept of them, so that the parents are run together.
        ensemble: whether there is an ensemble of the parents at all.
        one_of_n: whether outputs are a distribution, over classes or tokens, of which one is right:
            what learns from outputs by a softmax can only do so there.
        named: whether outputs stand for labels with names.
        tolerances: what the verdict lets pass.
        words: what figures are called.
    """

    name: str
    statistics: Callable[[PreTrainedConfig], RowStatistics]
    answers: ColumnKind | None
    combine: Combine | None = None
    ensemble: bool = True
    one_of_n: bool = True
    named: bool = True
    tolerances: Tolerances = DEFAULT_TOLERANCES
    words: Words = DEFAULT_WORDS

    def __post_init__(self) -> None:
        """Raises: ValueError, if rows without a loss are to be read or calibrated by one."""
        words = self.words
        if not words.has_loss and (self.one_of_n or words.calibrates or words.exponential):
            raise ValueError(
                f"rows of the measure {self.name} have no loss: so it is not one_of_n, and its "
                "words neither calibrate nor are exponential"
            )


@dataclass(frozen=True, kw_only=True)
class Task:
    """A kind of model, and all that is done differently for it.

    Parameters:
        name: what it is registered as.
        summary: one line on which models it is for.
        pipeline_tag: the Hub's.
        auto_class: what of transformers loads such a model.
        auto_processor: what of transformers prepares its inputs.
        accepts: whether a configuration describes such a model.
        label_axes: output of the model -> its axis that runs over labels; empty without labels.
        companion_files: what belongs to the model beside its weights.
        probe: inputs to try a model on.
        inputs: kinds of columns such models read, of which one is enough: `hubmerge.data.columns`.
        columns: the columns of a data set, in words.
        read: how the rows of a data set become batches.
        measures: what can be measured of such models.
        by_columns: whether the columns of a data set decide which of them is.
        measure_of: which of these a configuration asks for; None where its outputs mean none of
            them. By default there is only one.
    """

    name: str
    summary: str
    pipeline_tag: str
    auto_class: str
    auto_processor: str
    accepts: Callable[[PreTrainedConfig], bool]
    label_axes: Mapping[str, int]
    companion_files: tuple[str, ...]
    probe: Probe
    inputs: tuple[str, ...]
    columns: str
    read: Callable[[DataSet, ReadFor], Reading]
    measures: tuple[Measure, ...]
    measure_of: Callable[[PreTrainedConfig], Measure | None] | None = None
    by_columns: bool = False
    example: Example = Example()

    def measure(self, config: PreTrainedConfig) -> Measure | None:
        """What is measured of such a model; None where its outputs mean nothing that is known."""
        return self.measures[0] if self.measure_of is None else self.measure_of(config)

    def measure_on(self, config: PreTrainedConfig, name: str | None) -> Measure | None:
        """What is measured of such a model on rows whose columns are for the measure called `name`;
        None: for the one of its configuration.
        """
        return self.measure(config) if name is None else self.find_measure(name)

    def planned(self, config: PreTrainedConfig) -> Words | None:
        """The words for what will be measured of such a model on a data set that was not read."""
        measure = self.measure(config)
        if measure is None or not self.by_columns:
            return None if measure is None else measure.words
        every = "; or ".join(each.words.measured for each in self.measures)
        return replace(measure.words, measured=f"{every} (as the columns are)")

    def find_measure(self, name: str | None) -> Measure:
        """The measure that a report names; the first where it names none."""
        return next((each for each in self.measures if each.name == name), self.measures[0])

    def has_classes(self, config: PreTrainedConfig) -> bool:
        """Whether outputs stand for labels, so that label names mean something."""
        measure = self.measure(config)
        return bool(self.label_axes) and (measure is None or measure.named)
