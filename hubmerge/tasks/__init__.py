"""What kinds of models there are, and all that is done differently for each: one file, one task."""

from hubmerge.tasks._problem import (
    ONE_OF_N,
    measure_of,
    require_measure,
    require_one_of_n,
    why_not_one_of_n,
)
from hubmerge.tasks._registry import (
    NO_DATA,
    companion_files,
    find_task,
    has_classes,
    hub_names,
    probe_for,
    register,
    require_task,
    task_of,
    task_of_model,
    tasks,
    why_unmeasured,
)
from hubmerge.tasks._task import (
    DEFAULT_TOLERANCES,
    DEFAULT_WORDS,
    Example,
    Measure,
    Task,
    Tolerances,
    Words,
)

__all__ = [
    "DEFAULT_TOLERANCES",
    "DEFAULT_WORDS",
    "NO_DATA",
    "ONE_OF_N",
    "Example",
    "Measure",
    "Task",
    "Tolerances",
    "Words",
    "companion_files",
    "find_task",
    "has_classes",
    "hub_names",
    "measure_of",
    "probe_for",
    "register",
    "require_measure",
    "require_one_of_n",
    "require_task",
    "task_of",
    "task_of_model",
    "tasks",
    "why_not_one_of_n",
    "why_unmeasured",
]
