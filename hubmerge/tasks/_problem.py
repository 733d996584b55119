"""What the outputs of several models mean, and whether that is one thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import leave_out, option
from hubmerge.tasks._registry import has_classes, require_task, task_of
from hubmerge.tasks._task import Measure

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

ONE_OF_N = (None, "single_label_classification")
"""Values of `problem_type` by which one class is right."""

MEANINGS = {
    "multi_label_classification": "any number of its labels may be right at once",
    "regression": "its outputs are numbers, not classes",
}


def measure_of(config: PreTrainedConfig) -> Measure | None:
    """What is measured of a model; None where nothing measures it."""
    task = task_of(config)
    return None if task is None else task.measure(config)


def why_not_one_of_n(config: PreTrainedConfig) -> str | None:
    """What the outputs of a classifier are, where they are not classes of which one is right.

    None where they are, and for models without classes.
    """
    task = task_of(config)
    if task is None and not has_classes(config):
        return None
    if task is not None and not task.label_axes:
        return None
    if task is not None and task.label_axes.get("logits") != 1:
        return "it has labels for parts of a row, not one for the whole"
    kind = config.problem_type
    if kind not in ONE_OF_N:
        return MEANINGS.get(str(kind), "its outputs are read in another way")
    if config.num_labels == 1:
        return "its one output is a number, not a class"
    return None


def require_measure(models: Sequence[tuple[PreTrainedConfig, str]]) -> Measure:
    """What is measured of all models. models: configuration and name of each.

    Raises: RecipeError, if no task accepts one, if its outputs mean nothing that can be measured,
    or if those of two mean different things.
    """
    found: list[Measure] = []
    for config, ref in models:
        measure = require_task(config, ref).measure(config)
        if measure is None:
            raise _unmeasured(config, ref)
        found.append(measure)
    for (config, ref), measure in zip(models, found, strict=True):
        if measure is not found[0]:
            raise RecipeError(
                f"{models[0][1]} and {ref} cannot be measured together: their outputs mean "
                "different things",
                found=f"{found[0].name} in {models[0][1]} ({_said(models[0][0])})\n"
                f"{measure.name} in {ref} ({_said(config)})",
                hint=f"merge without measuring: {leave_out('dataset')}, "
                + option("match", "weights", "none"),
                field="dataset",
            )
    return found[0]


def measure_on(config: PreTrainedConfig, ref: str, name: str | None) -> Measure:
    """What is measured of a model on rows whose columns are for the measure called `name`; None:
    for the one of its configuration.

    Raises: RecipeError, as `require_measure`.
    """
    found = require_measure([(config, ref)])
    return found if name is None else require_task(config, ref).find_measure(name)


def require_one_of_n(measure: Measure, what: str, field: str) -> None:
    """Raises: RecipeError, if `what` is of no use for outputs that are no distribution.

    what: a method, as an option. field: the field that names it.
    """
    if not measure.one_of_n:
        raise RecipeError(
            f"{what} reads outputs as a distribution of which one class is right",
            found=f"models whose outputs are {measure.name}",
            hint="choose a method that only compares losses, or looks at activations or weights",
            field=field,
        )


def require_loss(measure: Measure, what: str, field: str) -> None:
    """Raises: RecipeError, if `what` goes by a loss that rows of this measure do not have.

    what: a method, as an option. field: the field that names it.
    """
    if not measure.words.has_loss:
        raise RecipeError(
            f"{what} goes by the losses of rows",
            found=f"{measure.name}, rows of which have no loss",
            hint="choose a method that looks at weights or activations alone",
            field=field,
        )


def _unmeasured(config: PreTrainedConfig, ref: str) -> RecipeError:
    why = why_not_one_of_n(config) or "its outputs are read in another way"
    return RecipeError(
        f"{ref} cannot be measured: {why}",
        found=_said(config),
        hint=f"merge without measuring: {leave_out('dataset')}, "
        + option("match", "weights", "none"),
        field="dataset",
    )


def _said(config: PreTrainedConfig) -> str:
    kind, outputs = config.problem_type, config.num_labels
    said = "no problem_type" if kind is None else f'"problem_type": "{kind}"'
    return f"{said} in its config.json, {outputs} output{'' if outputs == 1 else 's'}"
