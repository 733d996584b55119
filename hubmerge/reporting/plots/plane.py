"""The picture of a plane: contours of the loss, the models, and the straight paths between them."""

from __future__ import annotations

import numpy as np

from hubmerge.reporting.numbers import count
from hubmerge.reporting.plots.canvas import FONT, GREY, INK, PAPER, VERMILION, blank, to_png
from hubmerge.reporting.schema.survey_results import PlaneSeen

SIZE = (6.6, 5.4)
LEVELS = 12


def draw_plane(found: PlaneSeen, unit: str) -> bytes:
    """The PNG file. Contours are spaced evenly in the loss's logarithm."""
    xs = sorted({point.x for point in found.points})
    ys = sorted({point.y for point in found.points})
    known = [np.nan if point.loss is None else point.loss for point in found.points]
    losses = np.array(known).reshape(len(ys), len(xs))
    logs = np.log(np.maximum(np.nan_to_num(losses, nan=losses[np.isfinite(losses)].max()), 1e-6))
    canvas = blank(*SIZE)
    axes = canvas.add_axes((0.09, 0.1, 0.74, 0.78))
    levels = np.linspace(logs.min(), max(logs.max(), logs.min() + 1e-6), LEVELS)
    filled = axes.contourf(xs, ys, logs, levels=levels, cmap="viridis_r")
    bar = canvas.colorbar(filled, cax=canvas.add_axes((0.86, 0.1, 0.025, 0.78)))
    bar.set_ticks(levels[::2].tolist(), labels=[f"{np.exp(level):.2f}" for level in levels[::2]])
    bar.ax.tick_params(labelsize=8)
    start = found.corners["A"]
    for name, (x, y) in sorted(found.corners.items()):
        if name != "A":
            axes.plot([start[0], x], [start[1], y], color=PAPER, linewidth=1.6, linestyle="--")
        axes.plot([x], [y], marker="o", markersize=8, color=VERMILION, markeredgecolor=PAPER)
        right = x > (xs[0] + xs[-1]) / 2
        axes.annotate(
            name,
            (x, y),
            (-7 if right else 7, 7),
            textcoords="offset points",
            ha="right" if right else "left",
            size=10,
            color=INK,
            bbox={"facecolor": PAPER, "alpha": 0.75, "edgecolor": "none", "pad": 1.5},
            **FONT,
        )
    axes.set_aspect("equal")
    axes.tick_params(labelsize=8)
    axes.set_xlabel("distance in weight space", size=9, color=GREY, **FONT)
    title = f"loss (nats) on {count(found.n)} test {unit}"
    canvas.text(0.09, 0.93, title, size=11, weight="bold", color=INK, **FONT)
    return to_png(canvas)
