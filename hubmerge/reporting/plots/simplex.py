"""The picture of simplexes: how far the loss rises at the middle of every face, and inside.

Three models are a triangle, in which every place has its place; more are sorted by how many of them
are mixed.
"""

from __future__ import annotations

from math import cos, pi, sin
from typing import TYPE_CHECKING

import numpy as np

from hubmerge.evaluation.results import Barrier
from hubmerge.reporting.numbers import count, figure, interval
from hubmerge.reporting.plots.canvas import (
    BLUE,
    FAINT,
    FONT,
    GREEN,
    GREY,
    INK,
    PAPER,
    VERMILION,
    blank,
    to_png,
)
from hubmerge.reporting.schema.survey_results import SimplexMeasured, SimplexPoint, SimplexSeen
from hubmerge.utils.parent_names import parent_letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

LOOKS = ((BLUE, "o"), (GREEN, "^"), (VERMILION, "s"))
"""Colour and mark of the first simplex, the second, ..."""
DARK = 0.6
"""Share of the scale from which on colours are dark."""
CORNERS = [(sin(2 * pi * k / 3), cos(2 * pi * k / 3)) for k in (0, -1, 1)]
"""Of the triangle: A above, B left, C right."""
VERTEX, INSIDE = "vertex", "inside"


def barrier_of(simplex: SimplexMeasured) -> Barrier:
    """The calibrated one, where there is one."""
    return simplex.calibrated_barrier or simplex.barrier


def draw_simplex(seen: SimplexSeen, unit: str) -> bytes:
    """The PNG file."""
    models = sum(place.kind == VERTEX for place in seen.simplexes[0].places)
    rows = f"above the models' own losses, on {count(seen.simplexes[0].n)} test {unit}"
    what = "calibrated loss" if seen.simplexes[0].calibrated_barrier else "loss"
    return (_triangles if models == 3 else _columns)(seen, f"{what} (nats) {rows}", models)


def _triangles(seen: SimplexSeen, title: str, models: int) -> bytes:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    panels = len(seen.simplexes)
    width = 3.1 * max(panels, 2) + 0.9
    canvas = blank(width, 4.0)
    rises = [_rise(place) for simplex in seen.simplexes for place in simplex.places]
    scale = Normalize(min(rises), max(max(rises), min(rises) + 1e-6))
    colours = ScalarMappable(scale, "viridis_r")
    for number, simplex in enumerate(seen.simplexes):
        room = (width - 0.9) / panels / width
        axes = canvas.add_axes((0.01 + number * room, 0.03, room - 0.02, 0.78))
        _triangle(axes, simplex, colours)
    bar = canvas.colorbar(colours, cax=canvas.add_axes((1 - 0.8 / width, 0.1, 0.16 / width, 0.62)))
    bar.ax.tick_params(labelsize=8)
    canvas.text(0.02, 0.93, title, size=10.5, weight="bold", color=INK, **FONT)
    return to_png(canvas)


def _triangle(axes: Axes, simplex: SimplexMeasured, colours: ScalarMappable) -> None:
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-1.2, 1.2)
    axes.set_ylim(-0.85, 1.5)
    xs, ys = zip(*CORNERS, CORNERS[0], strict=True)
    axes.plot(xs, ys, color=FAINT, linewidth=1.2, zorder=1)
    for place in simplex.places:
        x, y = (sum(w * c[k] for w, c in zip(place.shares, CORNERS, strict=True)) for k in (0, 1))
        rise = _rise(place)
        inside, vertex = place.kind == INSIDE, place.kind == VERTEX
        axes.plot(
            [x],
            [y],
            marker="o",
            markersize=9 if inside else 25,
            color=colours.to_rgba(np.array([rise]))[0],
            markeredgecolor=INK if vertex else PAPER,
            zorder=2 if inside else 3,
        )
        if not inside:
            label = parent_letters(3)[place.shares.index(1.0)] if vertex else figure(rise, 2)
            low, high = colours.get_clim()
            dark = rise - (low or 0.0) > DARK * ((high or 0.0) - (low or 0.0))
            look = {"size": 10 if vertex else 7, "color": PAPER if dark else INK, **FONT}
            axes.text(x, y, label, ha="center", va="center", zorder=4, **look)
    barrier = barrier_of(simplex)
    axes.text(0, 1.42, simplex.multi_match, size=9.5, ha="center", color=INK, **FONT)
    axes.text(0, 1.24, f"highest {interval(barrier)}", size=8, ha="center", color=GREY, **FONT)


def _columns(seen: SimplexSeen, title: str, models: int) -> bytes:
    canvas = blank(7.2, 4.4)
    axes = canvas.add_axes((0.09, 0.15, 0.88, 0.58))
    names = [f"{size} models" for size in range(2, models + 1)]
    for number, (simplex, (colour, mark)) in enumerate(zip(seen.simplexes, LOOKS, strict=False)):
        inner = [place for place in simplex.places if place.kind != VERTEX]
        axes.plot(
            [
                _column(place, models) + 0.14 * (number - (len(seen.simplexes) - 1) / 2)
                for place in inner
            ],
            [_rise(place) for place in inner],
            color=colour,
            marker=mark,
            linestyle="none",
            markersize=5,
            alpha=0.8,
            label=f"{simplex.multi_match}: highest {interval(barrier_of(simplex))}",
        )
    axes.axhline(0, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_xticks(range(len(names) + 1), [*names, "drawn inside"], size=9, color=INK, **FONT)
    axes.set_xlim(-0.5, len(names) + 0.5)
    axes.set_xlabel(
        "what is mixed: so many models evenly, or all as drawn", size=9, color=GREY, **FONT
    )
    axes.tick_params(axis="x", length=0)
    axes.grid(True, axis="y", color=FAINT, linewidth=0.8)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "left")
    canvas.text(0.04, 0.93, title, size=10.5, weight="bold", color=INK, **FONT)
    canvas.legend(loc="upper left", bbox_to_anchor=(0.03, 0.92), frameon=False, fontsize=8.5)
    return to_png(canvas)


def _column(place: SimplexPoint, models: int) -> int:
    """Points inside stand last; faces before them, by how many models they mix."""
    mixed = sum(share > 0 for share in place.shares)
    return models - 1 if place.kind == INSIDE else mixed - 2


def _rise(place: SimplexPoint) -> float:
    return place.excess if place.calibrated_excess is None else place.calibrated_excess
