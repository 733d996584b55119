"""Several paths between two models: which there are, and the picture of the loss along each."""

from __future__ import annotations

from typing import NamedTuple

from hubmerge.evaluation.results import Curve
from hubmerge.reporting.escape import one_line
from hubmerge.reporting.numbers import count, figure
from hubmerge.reporting.plots.canvas import (
    BLUE,
    FAINT,
    FONT,
    GREEN,
    GREY,
    TRANSPARENT,
    VERMILION,
    blank,
    to_png,
)
from hubmerge.reporting.schema.survey_results import PathSeen

SIZE = (7.2, 4.6)
LOOKS = ((VERMILION, "s"), (BLUE, "o"), (GREEN, "^"))
"""Colour and mark of the first path, the second, ..."""


class Route(NamedTuple):
    """A measured path and what it is called."""

    name: str
    curve: Curve


def routes(seen: PathSeen) -> list[Route]:
    """The measured paths, as they are shown."""
    lines = [
        Route("straight, as given", seen.naive),
        Route("straight, aligned", seen.straight),
    ]
    return [*lines, Route(seen.curve, seen.found)] if seen.found else lines


def draw_path(seen: PathSeen, unit: str) -> bytes:
    """The PNG file: the loss in nats along every path, and what may be claimed above."""
    lines = routes(seen)
    canvas = blank(*SIZE, TRANSPARENT)
    axes = canvas.add_axes((0.09, 0.17, 0.87, 0.52), facecolor=TRANSPARENT)
    for route, (colour, marker) in zip(lines, LOOKS, strict=False):
        points = route.curve.points
        barrier = figure(route.curve.barrier.value)
        axes.plot(
            [point.lam for point in points],
            [point.loss for point in points],
            color=colour,
            marker=marker,
            markersize=4.5,
            linewidth=2,
            label=f"{route.name}: barrier {barrier} nats",
        )
    ends = [point.loss - point.excess for point in (lines[0].curve.points[i] for i in (0, -1))]
    axes.plot([0, 1], ends, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("the way from A to B", size=9, color=GREY, **FONT)
    axes.set_title("loss (nats)", loc="left", size=10, color=GREY, **FONT)
    axes.grid(True, axis="y", color=FAINT, linewidth=0.8)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
    canvas.legend(loc="upper left", bbox_to_anchor=(0.075, 0.9), frameon=False, fontsize=9)
    title = one_line(seen.sentence.partition(":")[0])
    canvas.text(0.09, 0.93, title, size=13, weight="bold", color=GREY, **FONT)
    rows = f"on {count(lines[0].curve.n)} test {unit}; dashed: between the models' own losses"
    canvas.text(0.96, 0.02, rows, size=8, color=GREY, ha="right", **FONT)
    return to_png(canvas)
