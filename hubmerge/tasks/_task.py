"""What a task is: everything that differs between kinds of models, in one object.

A file of this package describes one task, and all other code asks the object: which configurations
it accepts, how rows of a data set are read for it, what is kept and reported of each row, and in
which words. Listing tasks imports no torch: what needs it is imported when it is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

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
        accuracy: the share that is right.
        loss: what a loss is shown as; the exponential of it if `exponential`.
        nats: what a loss is in.
        scale: how the losses in a table are to be read.
        measured: the figures of a contender, as a plan lists them.
    """

    accuracy: str = "accuracy"
    loss: str = "loss"
    nats: str = "nats"
    scale: str = "losses in nats"
    measured: str = "loss, accuracy and calibration error"
    exponential: bool = False

    def shown(self, loss: float | None) -> float | None:
        """What stands in a table for a mean loss in nats; None if that is no number."""
        if loss is None or not self.exponential:
            return loss
        return math.exp(loss) if loss < math.log(1e300) else None

    @property
    def headline(self) -> str:
        """The figure a verdict quotes."""
        return self.loss if self.exponential else self.accuracy


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """Differences between a merge and a parent that the verdict lets pass.

    Parameters:
        accuracy: lost, and still "as good"; default 0.01.
        loss: nats of calibrated loss added, and still "as good"; default 0.01.
        collapse: accuracy lost beyond which a merge should not be used; default 0.10.
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
        note: a paragraph after the code, in Markdown.
    """

    processor: str = "processor"
    before: tuple[str, ...] = ()
    note: str = ""


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
        labelled: whether a column of labels says what is right.
        read: how the rows of a data set become batches.
        statistics: makes what evaluation keeps of answers to labelled rows; from it come the loss
            of each row, every score, and the temperature, where one applies.
        combine: how outputs of the parents become those of their ensemble; None where too little is
            kept of them, so that the parents are run together.
        ensemble: whether there is an ensemble of the parents at all.
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
    labelled: bool
    read: Callable[[DataSet, ReadFor], Reading]
    statistics: Callable[[], RowStatistics]
    ensemble: bool = True
    combine: Combine | None = None
    tolerances: Tolerances = DEFAULT_TOLERANCES
    words: Words = DEFAULT_WORDS
    example: Example = Example()

    @property
    def has_classes(self) -> bool:
        """Whether outputs stand for labels, so that label names mean something."""
        return bool(self.label_axes)
