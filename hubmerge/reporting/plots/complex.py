"""The picture of a complex: models on a circle, low paths between them, low simplexes filled."""

from __future__ import annotations

from math import cos, pi, sin
from textwrap import wrap

from hubmerge.reporting.escape import one_line
from hubmerge.reporting.plots.canvas import BLUE, FAINT, FONT, GREY, INK, blank, to_png
from hubmerge.reporting.schema.survey_results import ComplexFound
from hubmerge.utils.parent_names import parent_letters

SIZE = (6.4, 6.4)


def draw_complex(found: ComplexFound) -> bytes:
    """The PNG file."""
    from matplotlib.patches import Polygon

    count = len(found.models)
    places = [(sin(2 * pi * k / count), cos(2 * pi * k / count)) for k in range(count)]
    canvas = blank(*SIZE)
    axes = canvas.add_axes((0.06, 0.06, 0.88, 0.8))
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-1.25, 1.25)
    axes.set_ylim(-1.25, 1.25)
    for simplex in found.simplexes:
        corners = [places[k] for k in simplex.models]
        if len(corners) > 2:
            axes.add_patch(Polygon(corners, closed=True, facecolor=BLUE, alpha=0.15, zorder=1))
    low = {
        (min(pair), max(pair))
        for simplex in found.simplexes
        for pair in ((a, b) for a in simplex.models for b in simplex.models if a != b)
    }
    for first in range(count):
        for last in range(first + 1, count):
            is_low = (first, last) in low
            axes.plot(
                *zip(places[first], places[last], strict=True),
                color=BLUE if is_low else FAINT,
                linewidth=1.8 if is_low else 0.7,
                zorder=2,
            )
    for (x, y), name in zip(places, parent_letters(count), strict=True):
        axes.plot([x], [y], marker="o", markersize=9, color=INK, zorder=3)
        axes.text(1.13 * x, 1.13 * y, name, size=12, ha="center", va="center", color=INK, **FONT)
    title = "\n".join(wrap(one_line(found.sentence), 72))
    canvas.text(0.06, 0.97, title, size=10, weight="bold", color=INK, va="top", **FONT)
    said = f"joined: at most {found.limit:g} nats above the models' own losses, calibrated"
    canvas.text(0.06, 0.025, said, size=8.5, color=GREY, **FONT)
    return to_png(canvas)
