"""The tasks there are, and which one a model is for: one file of this package is one task.

What no task accepts is merged, but measured by nothing, and never called what it is not.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubmerge.errors import FamilyError, RecipeError
from hubmerge.errors.wording import leave_out, option
from hubmerge.registry import registry
from hubmerge.tasks._architectures import architecture, auto_class_of, pipeline_tag_of
from hubmerge.tasks._task import Task

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

NO_DATA = "no data set was given"


def register(task: Task) -> Task:
    """Makes `task` one of those there are, for the file that its `accepts` is defined in.

    Raises: ValueError, if it is not called as the file.
    """
    registry("tasks").add(task.accepts, lambda name: task, task.name)
    return task


def tasks() -> dict[str, Task]:
    """Every task, by name. Imports no torch, but what plugins import."""
    return registry("tasks").all()


def find_task(name: str) -> Task:
    """The task called `name`. Raises: RecipeError with the nearest names."""
    found: Task = registry("tasks").get(name)
    return found


def task_of(config: PreTrainedConfig) -> Task | None:
    """The task that accepts `config`; None where nothing measures such a model.

    Raises: FamilyError, if several accept it.
    """
    found = [task for task in tasks().values() if task.accepts(config)]
    if len(found) > 1:
        raise FamilyError(
            f"several tasks accept a {architecture(config)}",
            found=", ".join(task.name for task in found),
            hint="a task accepts what no other one does: remove one of the packages they are from",
        )
    return found[0] if found else None


def task_of_model(model: PreTrainedModel) -> Task | None:
    """As `task_of`; a model that was never saved is known by its class."""
    config = model.config
    if not config.architectures:
        config = copy.copy(config)
        config.architectures = [type(model).__name__]
    return task_of(config)


def require_task(config: PreTrainedConfig, ref: str) -> Task:
    """The task that accepts `config`. Raises: RecipeError, with what can be measured."""
    task = task_of(config)
    if task is None:
        known = "\n".join(f"{each.name}: {each.summary}" for each in tasks().values())
        raise RecipeError(
            f"{ref} cannot be measured: no task accepts a {architecture(config)}",
            found=f"tasks:\n{known}",
            hint=f"merge without measuring: {leave_out('dataset')}, {option('match', 'none')}",
            field="dataset",
        )
    return task


@dataclass(frozen=True)
class HubNames:
    """What a card calls a model; None where there is no such name. measure: what its outputs mean,
    where its task knows several things."""

    task: str | None
    measure: str | None
    auto_class: str | None
    pipeline_tag: str | None


def hub_names(config: PreTrainedConfig) -> HubNames:
    """What the model is called: by its task, else by what transformers says of its architecture."""
    task = task_of(config)
    if task is not None:
        measure = task.measure(config) if len(task.measures) > 1 else None
        name = None if measure is None else measure.name
        return HubNames(task.name, name, task.auto_class, task.pipeline_tag)
    return HubNames(None, None, auto_class_of(config), pipeline_tag_of(config))


def why_unmeasured(task: Task | None, architecture: str, no_data: str = NO_DATA) -> str:
    """Why there are no figures of models of this `task` and `architecture`, if there are none."""
    return no_data if task is not None else f"no task accepts a {architecture}"


def has_classes(config: PreTrainedConfig) -> bool:
    """Whether outputs of the model stand for labels, so that label names mean something.

    Where no task says so, the name of the architecture does: transformers calls a classifier
    `...Classification`.
    """
    task = task_of(config)
    if task is not None:
        return task.has_classes(config)
    return architecture(config).endswith("Classification")


def probe_for(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Inputs in float64 to try `model` on: those of its task, else by its main input.

    Raises: FamilyError, if nothing is known that the model takes.
    """
    from hubmerge.models.probe_inputs import probe_inputs

    task = task_of_model(model)
    probe = probe_inputs if task is None else task.probe
    return probe(model, rows, seed)


def companion_files() -> set[str]:
    """Files of any task that belong to a model beside its weights."""
    return {name for task in tasks().values() for name in task.companion_files}
