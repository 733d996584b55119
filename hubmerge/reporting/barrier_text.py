"""How high the paths between the parents rise: in one sentence, and in a table."""

from __future__ import annotations

from typing import NamedTuple

from hubmerge.evaluation.results import Barrier, Curve
from hubmerge.reporting.numbers import MISSING, between, count, excess, interval, share, too_few
from hubmerge.reporting.path_verdict import settle
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.words import tolerances_of, words_of
from hubmerge.utils.parent_names import listed

MATCHED, NAIVE = "matched", "without matching"
TEST, TRAINING = "test", "training"
CLAIMS = {
    "no barrier": "No barrier",
    "a barrier": "A barrier",
    "cannot tell": "Cannot tell whether there is a barrier",
}


class Height(NamedTuple):
    """A path on some rows, and how high it rises."""

    path: str
    rows: str
    """Which rows: TEST, or TRAINING."""
    curve: Curve


def heights(report: Report) -> list[Height]:
    """Every measured path, on test rows, then on training rows."""
    bars = report.barrier
    found = [
        (MATCHED, TEST, bars.detail.matched),
        (NAIVE, TEST, bars.detail.naive),
    ]
    if bars.training is not None:
        found += [
            (MATCHED, TRAINING, bars.training.matched),
            (NAIVE, TRAINING, bars.training.naive),
        ]
    return [Height(path, rows, curve) for path, rows, curve in found if curve is not None]


def barrier_sentence(report: Report) -> str:
    """What may be claimed about the barrier between the parents, with the figures behind it.

    "No barrier" and "a barrier" are said by the written rule of `path_verdict.py` alone.
    """
    naive, matched = report.barrier.detail.naive, report.barrier.detail.matched
    best = matched or naive
    words = words_of(report)
    if best is None:
        why = "" if words.has_loss else ", because rows of this task have no loss"
        if report.barrier.left_out:
            why = f": the recipe leaves the path {between(report)} out"
        return f"The loss barrier was not measured{why}."
    nats = words.nats
    said = _heights(best, nats, calibrated=words.calibrates)
    without = ""
    if matched is not None and naive is not None and naive != matched:
        without = f"; without matching {_heights(naive, nats, calibrated=False)}"
    claim = CLAIMS[settle(best.calibrated_barrier, tolerances_of(report))]
    unit = report.data.unit if report.data else "rows"
    few = too_few(best.barrier, best.n, unit)
    unsettled = _unsettled(best, calibrated=words.calibrates)
    return f"{claim} on the straight path {between(report)}: {said}{without}.{few}{unsettled}"


def _heights(curve: Curve, nats: str, *, calibrated: bool = True) -> str:
    """By how much a path lies above the line between its ends' figures, or below it."""
    bars = [("loss", curve.barrier, f" {nats}"), ("error rate", curve.error_barrier, "")]
    if calibrated:
        bars.insert(1, ("calibrated loss", curve.calibrated_barrier, f" {nats}"))
    parts: list[str] = []
    for what, bar, unit in bars:
        if bar is not None:
            above = bool(parts) and "lower" not in parts[-1]
            parts.append(f"{excess(what, bar, alone=not above)}{unit}")
    return listed(parts)


def barrier_cell(barrier: Barrier | None) -> str:
    """As a table shows it: its value, its interval, and where it is."""
    if barrier is None:
        return MISSING
    return f"{interval(barrier)} at λ = {share(barrier.at)}"


def training_sentence(report: Report) -> str | None:
    """On which training rows the paths were measured as well; None where they were not."""
    training = report.barrier.training
    if training is None:
        return None
    rows = training.rows
    used = "none is a calibration row"
    if training.used:
        used = f"{count(training.used)} are calibration rows too"
    return (
        f"Training rows: {count(rows.rows)} of split {rows.split}, of which {used}. They do not "
        "affect the verdict."
    )


def _unsettled(curve: Curve, *, calibrated: bool) -> str:
    """What is said where the points were used up before a maximum was settled."""
    bars = {
        "loss": curve.barrier,
        "calibrated loss": curve.calibrated_barrier if calibrated else None,
        "error rate": curve.error_barrier,
    }
    open_ = [what for what, bar in bars.items() if bar is not None and bar.settled is False]
    if not open_:
        return ""
    return f" The maximum of the {listed(open_)} may lie between the {len(curve.points)} points."
