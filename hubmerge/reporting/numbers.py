"""How numbers are written, and the table that card, terminal and plot share."""

from __future__ import annotations

from typing import NamedTuple

from hubmerge.evaluation.bootstrap import LEAST_ROWS
from hubmerge.evaluation.results import Barrier, Estimate
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.words import words_of
from hubmerge.tasks import Words
from hubmerge.utils.durations import duration as duration
from hubmerge.utils.parent_names import REFINED_PARENT, display_name, parent_letters, roles

MISSING = "–"
"""Stands where a figure was not measured."""


class Row(NamedTuple):
    """A contender as shown; figures are None where they were not measured.

    loss, calibrated_loss: as the words for what the models are for have them.
    """

    key: str
    name: str
    model: str
    """Id of the model, empty for what is not a model of its own."""
    accuracy: float | None
    loss: float | None
    calibrated_loss: float | None
    calibration_error: float | None
    scores: tuple[Estimate | None, ...] = ()
    """Further scores, in the order of `Table.headings`."""
    bounds: tuple[float, float] | None = None
    """Of the accuracy, where rows have no loss."""

    def cells(self, words: Words) -> list[str]:
        """Its figures as they are written."""
        calibrated = (self.calibrated_loss, self.calibration_error)
        value, bounds = words.score(self.accuracy), sorted(map(words.score, self.bounds or ()))
        main = figure(value)
        if value is not None and bounds:
            main = estimate(Estimate(value=value, low=bounds[0], high=bounds[1]))
        return [
            main,
            *map(estimate, self.scores),
            *([figure(self.loss)] if words.has_loss else ()),
            *(map(figure, calibrated) if words.calibrates else ()),
        ]


class Table(NamedTuple):
    """All contenders in the order they are shown, under what their figures are called."""

    headings: list[str]
    rows: list[Row]
    cells: list[list[str]]


def figure(value: float | None, digits: int = 3) -> str:
    """0.8871 -> "0.887", with a true minus sign; None -> "–"."""
    if value is None:
        return MISSING
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def estimate(score: Estimate | None) -> str:
    """0.912 with bounds: "0.912 (0.901 to 0.923)"; without, "0.912"."""
    if score is None or score.low is None:
        return figure(None if score is None else score.value)
    return f"{figure(score.value)} ({figure(score.low)} to {figure(score.high)})"


def signed(value: float | None, digits: int = 3) -> str:
    """As `figure`, with a plus sign where there is no minus."""
    text = figure(value, digits)
    return text if text[0] in f"−{MISSING}" else f"+{text}"


def interval(barrier: Barrier | None) -> str:
    """0.052 with bounds: "0.052 (0.041 to 0.063)"; without, "0.052"."""
    if barrier is None:
        return MISSING
    if barrier.low is None:
        return figure(barrier.value)
    return f"{figure(barrier.value)} ({figure(barrier.low)} to {figure(barrier.high)})"


def excess(what: str, barrier: Barrier, *, alone: bool = True) -> str:
    """The highest point of a path, or that all of it lies low: `what` is the figure's name.

    0.052 -> "largest excess loss 0.052 (0.041 to 0.063)"; -0.029 -> "loss lower throughout by at
    least 0.029 (0.024 to 0.035)". alone: False after another that says "largest excess".
    """
    if barrier.value < 0 and figure(barrier.value) != figure(0.0):
        said = f"{what} lower throughout by at least {figure(-barrier.value)}"
        if barrier.low is None or barrier.high is None:
            return said
        return f"{said} ({figure(-barrier.high)} to {figure(-barrier.low)})"
    return f"{'largest excess ' if alone else ''}{what} {interval(barrier)}"


def too_few(barrier: Barrier, n: int, unit: str) -> str:
    """What is said of a barrier without an interval; empty where there is one."""
    if barrier.low is not None:
        return ""
    few = f"{counted(n, unit)} {'is' if n == 1 else 'are'} too few for an interval"
    return f" {few}: at least {LEAST_ROWS} are needed."


def share(value: float) -> str:
    """A lambda: 0.5 -> "0.5", 0.46252 -> "0.4625"."""
    return f"{round(value, 4):g}"


def count(number: int) -> str:
    """12345 -> "12,345"."""
    return f"{number:,}"


def counted(number: int, what: str) -> str:
    """1,000 of "test images" -> "1,000 test images"; one -> "1 test image"."""
    return f"{count(number)} {what.removesuffix('s') if number == 1 else what}"


def contender_table(report: Report, *, short: bool = False) -> Table:
    """Figures of all contenders, in the words of their task. short: headings for a terminal."""
    words, shown = words_of(report), rows(report)
    calibrated = [f"calibrated {words.loss}", "calibration error"]
    if short:
        calibrated = ["calibrated", "calib. error"]
    headings = [
        words.accuracy,
        *further(report),
        *([words.loss] if words.has_loss else ()),
        *(calibrated if words.calibrates else ()),
    ]
    return Table(headings, shown, [row.cells(words) for row in shown])


def further(report: Report) -> list[str]:
    """What further scores are called."""
    return list(report.contenders.merge.scores or {})


def rows(report: Report) -> list[Row]:
    """All contenders in the order they are shown."""
    shown_as = words_of(report).shown
    count = len(report.models)
    shown = (
        *(
            (role, f"Parent {letter}", parent.name)
            for role, letter, parent in zip(
                roles("parent", count), parent_letters(count), report.models, strict=True
            )
        ),
        ("naive", "Naive average, unmatched", ""),
        ("merge", "This merge", ""),
        *_refined(report),
        *([("ensemble", f"Ensemble of {everyone(count)}", "")] if has_ensemble(report) else []),
    )
    return [
        Row(
            key,
            name,
            model,
            figures.accuracy,
            shown_as(figures.loss),
            shown_as(figures.calibrated_loss),
            figures.calibration_error,
            tuple((figures.scores or {}).get(name) for name in further(report)),
            None
            if figures.accuracy_low is None or figures.accuracy_high is None
            else (figures.accuracy_low, figures.accuracy_high),
        )
        for key, name, model in shown
        for figures in [getattr(report.contenders, key)]
    ]


def has_ensemble(report: Report) -> bool:
    """Whether the parents were measured together, or nothing was."""
    return report.data is None or report.contenders.ensemble.n > 0


def _refined(report: Report) -> list[tuple[str, str, str]]:
    """The contender that a refined merge is compared with."""
    refine = report.method.refine
    if report.contenders.refined_parent is None or refine is None or refine.parent is None:
        return []
    return [(REFINED_PARENT, f"P{display_name(refine.parent)[1:]} refined alike", "")]


def between(report: Report) -> str:
    """Where the path leads."""
    if len(report.models) == 2:
        return "between the parents"
    return "from parent A to this mixture of all parents"


def everyone(count: int) -> str:
    """All parents together: "both parents", or "all parents"."""
    return "both parents" if count == 2 else "all parents"
