"""What is said of a report's figures: in the words and by the tolerances of its task."""

from __future__ import annotations

from hubmerge.reporting.schema.report import Report
from hubmerge.tasks import (
    DEFAULT_TOLERANCES,
    DEFAULT_WORDS,
    Example,
    Task,
    Tolerances,
    Words,
    find_task,
    why_unmeasured,
)


def task_in(report: Report) -> Task | None:
    """What the merged model is for. Raises: RecipeError, for a task that is not installed."""
    return None if report.merged.task is None else find_task(report.merged.task)


def words_of(report: Report) -> Words:
    """The words for the report's figures."""
    task = task_in(report)
    return DEFAULT_WORDS if task is None else task.words


def tolerances_of(report: Report) -> Tolerances:
    """What the verdict lets pass."""
    task = task_in(report)
    return DEFAULT_TOLERANCES if task is None else task.tolerances


def example_of(report: Report) -> Example:
    """What the code on the card needs."""
    task = task_in(report)
    return Example() if task is None else task.example


def unmeasured(report: Report) -> str:
    """Why the report has no figures, where it has none."""
    return why_unmeasured(task_in(report), report.merged.architecture)
