"""The picture of a merge: loss and accuracy along the straight path between the parents.

Of more than two parents the path leads from the first to the mixture of all that was asked for.

Each line has its own colour, its own mark, and its name above the panel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hubmerge.evaluation.results import Curve, CurvePoint
from hubmerge.reporting.numbers import between, count, figure
from hubmerge.reporting.off_path import off_path
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
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.verdict import headline
from hubmerge.reporting.words import words_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (9.6, 5.0)
"""Inches; a card is about as wide as 9.6 inches of 96 pixels."""

REFINED, MERGE = "refined parent", "this merge"
HEADROOM = 1.08
"""Top of the loss axis over the highest loss."""
VISIBLE = 0.06
"""Barriers lower than this share of the axis get no arrow: it would be all heads."""


class CurveLine(NamedTuple):
    """One curve with its look."""

    curve: Curve
    name: str
    colour: str
    marker: str


def can_plot(report: Report) -> bool:
    """Whether a curve was measured."""
    return bool(_lines(report))


def render_plot(report: Report) -> bytes | None:
    """The PNG file, or None if no curve was measured."""
    lines = _lines(report)
    if not lines:
        return None
    canvas = blank(*SIZE, TRANSPARENT)
    loss = canvas.add_axes((0.055, 0.19, 0.39, 0.45))
    accuracy = canvas.add_axes((0.625, 0.19, 0.22, 0.45))
    _draw_loss(loss, lines, report)
    _draw_accuracy(accuracy, lines, report)
    _write_frame(canvas, lines, report)
    return to_png(canvas)


def _lines(report: Report) -> list[CurveLine]:
    detail = report.barrier.detail
    lines = [(detail.naive, "without matching", VERMILION, "s")]
    if report.method.match != "none":  # else both are the same path
        lines.append((detail.matched, "matched", BLUE, "o"))
    return [CurveLine(curve, *look) for curve, *look in lines if curve is not None]


def _write_frame(canvas: Figure, lines: list[CurveLine], report: Report) -> None:
    """Title, and the one line that says how to read the picture."""
    n = max(line.curve.n for line in lines)
    unit = report.data.unit if report.data else "rows"
    title = headline(report.verdict_sentence)
    canvas.text(0.02, 0.925, title, size=17, weight="bold", color=GREY, **FONT)
    rows = f"on {count(report.n)} test {unit}"
    path = f", the path {between(report)} on {count(n)} of them" if n != report.n else ""
    canvas.text(0.02, 0.865, rows + path, size=10.5, color=GREY, **FONT)
    star = " Star: this merge, off the path." if off_path(report) else ""
    canvas.text(
        0.02,
        0.03,
        f"Dashed: {_reference(report)}. The barrier is the highest rise above it.{star}",
        size=9,
        color=GREY,
        **FONT,
    )


def _draw_loss(axes: Axes, lines: list[CurveLine], report: Report) -> None:
    ensemble = report.contenders.ensemble.loss
    highest = max(point.loss for line in lines for point in line.curve.points)
    top = max(highest, ensemble or 0.0) * HEADROOM or 1.0
    words = words_of(report)
    _dress(axes, f"loss ({words.nats})", f"λ, the share of {_far(report)}", top, _far(report))
    ends = [point.loss - point.excess for point in _ends(lines)]
    axes.plot([0, 1], ends, color=GREY, linewidth=1.3, linestyle=(0, (4, 3)))
    for line in lines:
        barrier = line.curve.barrier
        _curve(axes, line, [point.loss for point in line.curve.points])
        foot = ends[0] + barrier.at * (ends[1] - ends[0])
        if barrier.value > VISIBLE * top:
            _arrow(axes, line.colour, barrier.at, foot, foot + barrier.value)
    if (merge := off_path(report)) is not None:
        _star(axes, merge.lam, merge.loss)
    unit = " nats" if words.nats.startswith("nats") else ""
    _name_curves(
        axes,
        [(line, f"barrier {figure(line.curve.barrier.value)}{unit}") for line in lines],
    )
    levels = [(_level(report), ends[1], GREY), ("ensemble", ensemble, GREEN)]
    if (refined := report.contenders.refined_parent) is not None:
        levels.append((REFINED, refined.loss, GREY))
    if merge is not None:
        levels.append((MERGE, merge.loss, BLUE))
    _label_levels(axes, top, levels)


def _draw_accuracy(axes: Axes, lines: list[CurveLine], report: Report) -> None:
    words = words_of(report)
    merge = off_path(report)
    worst = [min(point.accuracy for point in line.curve.points) for line in lines]
    own = [] if merge is None or merge.accuracy is None else [merge.accuracy]
    top = max(1.0, *map(words.score, [*worst, *own]))  # a rate of errors may be above 1
    _dress(axes, words.accuracy, "λ", top, _far(report))
    for line in lines:
        _curve(axes, line, [words.score(point.accuracy) for point in line.curve.points])
    if merge is not None and merge.accuracy is not None:
        _star(axes, merge.lam, words.score(merge.accuracy))
    extreme = "highest" if words.errs else "lowest"
    named = (f"{extreme} {figure(words.score(value))}" for value in worst)
    _name_curves(axes, list(zip(lines, named, strict=True)))
    end = words.score(_far_accuracy(lines, report))
    ensemble = words.score(report.contenders.ensemble.accuracy)
    levels = [(_level(report), end, GREY), ("ensemble", ensemble, GREEN)]
    if (refined := report.contenders.refined_parent) is not None:
        levels.append((REFINED, words.score(refined.accuracy), GREY))
    if merge is not None:
        levels.append((MERGE, words.score(merge.accuracy), BLUE))
    _label_levels(axes, top, levels)


def _star(axes: Axes, lam: float, value: float) -> None:
    """A star for the merge."""
    axes.plot([lam], [value], color=BLUE, marker="*", markersize=13, clip_on=False, zorder=4)


def _far(report: Report) -> str:
    """What lies at lambda = 1."""
    return "parent B" if len(report.models) == 2 else "the mixture"


def _level(report: Report) -> str:
    """What the parents' own figures at lambda = 1 are those of."""
    return "parent B" if len(report.models) == 2 else "parents"


def _reference(report: Report) -> str:
    """What the losses are held against."""
    if len(report.models) == 2:
        return "the straight line between the parents' own losses"
    return "the same mixture of the parents' own losses"


def _far_accuracy(lines: list[CurveLine], report: Report) -> float | None:
    """The parents' own accuracy at lambda = 1: parent B's, or the weighted mean of all."""
    weights = report.method.weights
    if weights is None:
        return _ends(lines)[1].accuracy
    own = [parent.accuracy for parent in report.contenders.parents]
    known = [value for value in own if value is not None]
    if len(known) < len(weights):
        return None
    return sum(weight * value for weight, value in zip(weights, known, strict=True))


def _dress(axes: Axes, title: str, across: str, top: float, far: str) -> None:
    """Axes from 0 to `top`, with what is mixed named at the ends of lambda."""
    axes.set_facecolor(TRANSPARENT)
    axes.set_xlim(-0.015, 1.015)
    axes.set_ylim(0, top)
    axes.set_title(title, loc="left", size=10.5, weight="bold", color=GREY, pad=45, **FONT)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    names = ["0\nparent A", "0.25", "0.5", "0.75", f"1\n{far}"]
    axes.set_xticks(ticks, names, size=9, color=GREY, **FONT)
    axes.set_xlabel(across, size=9, color=GREY, labelpad=-7, **FONT)
    axes.tick_params(axis="x", length=0, pad=6)
    axes.tick_params(axis="y", length=0, pad=6, labelsize=9, labelcolor=GREY)
    axes.grid(True, axis="y", color=FAINT, linewidth=0.8, linestyle="-")
    axes.grid(False, axis="x")
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(GREY)
        spine.set_linewidth(1.0)


def _curve(axes: Axes, line: CurveLine, values: list[float]) -> None:
    axes.plot(
        [point.lam for point in line.curve.points],
        values,
        color=line.colour,
        linewidth=2.2,
        marker=line.marker,
        markersize=5,
        markeredgecolor=line.colour,
        markeredgewidth=0.8,
        clip_on=False,
        zorder=3,
    )


def _arrow(axes: Axes, colour: str, lam: float, foot: float, tip: float) -> None:
    style = {
        "arrowstyle": "<->",
        "color": colour,
        "linewidth": 1.1,
        "shrinkA": 0,
        "shrinkB": 4,
    }
    axes.annotate("", (lam, tip), (lam, foot), arrowprops=style, zorder=2)


def _name_curves(axes: Axes, lines: list[tuple[CurveLine, str]]) -> None:
    """Above the axes: each curve's mark, name and figure, in its colour."""
    from matplotlib.transforms import ScaledTranslation

    for row, (line, said) in enumerate(reversed(lines)):
        height = 12 + 15 * row
        axes.plot(
            [0],
            [1],
            color=line.colour,
            marker=line.marker,
            markersize=6.5,
            transform=axes.transAxes
            + ScaledTranslation(4 / 72, height / 72, axes.figure.dpi_scale_trans),
            clip_on=False,
        )
        axes.annotate(
            f"{line.name}: {said}",
            (0, 1),
            (14, height),
            xycoords="axes fraction",
            textcoords="offset points",
            va="center",
            size=9.5,
            color=line.colour,
            **FONT,
        )


def _label_levels(axes: Axes, top: float, levels: list[tuple[str, float | None, str]]) -> None:
    """Name levels (text, value, colour) right of the axes, pushed apart where they would touch and
    no higher than the axes.

    The ensemble also gets its line across.
    """
    known = sorted((value, text, colour) for text, value, colour in levels if value is not None)
    gap = 0.1 * top
    places = [value for value, _, _ in known]
    for above in range(1, len(places)):
        places[above] = max(places[above], places[above - 1] + gap)
    over = max(0.0, places[-1] - top) if places else 0.0
    places = [place - over for place in places]
    for (value, text, colour), place in zip(known, places, strict=True):
        if text == "ensemble":
            axes.axhline(value, color=colour, linewidth=1.4, linestyle=(0, (1, 1.6)), zorder=1)
        axes.annotate(
            f"{text} {figure(value)}",
            (1, place),
            (9, 0),
            textcoords="offset points",
            va="center",
            size=9,
            color=colour,
            annotation_clip=False,
            **FONT,
        )


def _ends(lines: list[CurveLine]) -> tuple[CurvePoint, CurvePoint]:
    """The ends of the path; of two parents, those every curve shares."""
    points = lines[0].curve.points
    return points[0], points[-1]
