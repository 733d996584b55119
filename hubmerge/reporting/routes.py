"""The picture of several paths between two models: the loss along each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hubmerge.measure.results import Curve
from hubmerge.reporting.escape import one_line
from hubmerge.reporting.figures import count, figure
from hubmerge.reporting.plot import BLUE, DPI, FAINT, FONT, GREEN, GREY, INK, PAPER, VERMILION

SIZE = (7.2, 4.6)
LOOKS = ((VERMILION, "s"), (BLUE, "o"), (GREEN, "^"))
"""Colour and mark of the first path, the second, ..."""


class Route(NamedTuple):
    """A measured path and what it is called."""

    name: str
    curve: Curve


def draw_routes(routes: Sequence[Route], sentence: str, unit: str) -> bytes:
    """The PNG file: the loss in nats along every path, and `sentence` above."""
    canvas = Figure(figsize=SIZE, dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(canvas)
    axes = canvas.add_axes((0.09, 0.13, 0.87, 0.56))
    for route, (colour, marker) in zip(routes, LOOKS, strict=False):
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
    ends = [point.loss - point.excess for point in (routes[0].curve.points[i] for i in (0, -1))]
    axes.plot([0, 1], ends, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("the way from A to B", size=9, color=GREY, **FONT)
    axes.set_title("loss (nats)", loc="left", size=10, color=INK, **FONT)
    axes.grid(True, axis="y", color=FAINT, linewidth=0.8)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
    canvas.legend(loc="upper left", bbox_to_anchor=(0.075, 0.9), frameon=False, fontsize=9)
    canvas.text(
        0.09, 0.93, one_line(sentence.partition(":")[0]), size=13, weight="bold", color=INK, **FONT
    )
    rows = f"on {count(routes[0].curve.n)} test {unit}; dashed: between the models' own losses"
    canvas.text(0.96, 0.02, rows, size=8, color=GREY, ha="right", **FONT)
    target = io.BytesIO()
    canvas.savefig(target, format="png", dpi=DPI, facecolor=PAPER, metadata={"Software": None})
    return target.getvalue()
