"""What a benchmark says of the contenders: plain typed numbers, as in report.json."""

from __future__ import annotations

from hubmerge.evaluation.results import Result


class Difference(Result):
    """The merge minus another contender, paired row by row; one-sided 95% bounds, None of too few
    rows or where the score is no mean over rows."""

    other: str
    difference: float
    low: float | None = None
    high: float | None = None


class Benchmark(Result):
    """One task of the harness, by all contenders on the same rows."""

    given: str
    """What was asked for: a task or group of the harness, or a data set at a commit."""
    task: str
    """Of the harness; without it, the data set."""
    version: str
    """Of the task, by its author; "" without the harness."""
    harness: str | None
    """Version of lm-evaluation-harness; None where the rows were measured as the merge's own."""
    metric: str
    higher_is_better: bool
    shots: int
    """Solved examples before each question."""
    dataset: str
    config: str | None
    split: str
    sha: str | None
    """The data set's commit; None if the Hub did not say it."""
    hub_task: str | None = None
    """The task of the Hub's benchmark that this is, run as the data set's `eval.yaml` writes it;
    None where it is none."""
    n: int
    scores: dict[str, float]
    """Contender, such as "parent_a" -> its score."""
    differences: list[Difference]
