"""What is said of a report's figures: in the words and by the tolerances of its task."""

from __future__ import annotations

from hubmerge.reporting.schema.report import Report
from hubmerge.tasks import (
    DEFAULT_TOLERANCES,
    DEFAULT_WORDS,
    Example,
    Measure,
    Task,
    Tolerances,
    Words,
    find_task,
    why_unmeasured,
)


def task_in(report: Report) -> Task | None:
    """What the merged model is for. Raises: RecipeError, for a task that is not installed."""
    return None if report.merged.task is None else find_task(report.merged.task)


def _measure_in(report: Report) -> Measure | None:
    task = task_in(report)
    return None if task is None else task.find_measure(report.merged.measure)


def words_of(report: Report) -> Words:
    """The words for the report's figures."""
    measure = _measure_in(report)
    return DEFAULT_WORDS if measure is None else measure.words


def reads_classes(report: Report) -> bool:
    """Whether outputs are a distribution of which one class, or token, is right."""
    measure = _measure_in(report)
    return measure is not None and measure.one_of_n


def tolerances_of(report: Report) -> Tolerances:
    """What the verdict lets pass."""
    measure = _measure_in(report)
    return DEFAULT_TOLERANCES if measure is None else measure.tolerances


def example_of(report: Report) -> Example:
    """What the code on the card needs."""
    task = task_in(report)
    found = Example() if task is None else task.example
    return found.in_library or found if report.merged.library else found


def unmeasured(report: Report) -> str:
    """Why the report has no figures, where it has none."""
    return why_unmeasured(task_in(report), report.merged.architecture)
