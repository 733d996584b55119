"""The loss along the path between the parents, as SVG with a text alternative."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from hubmerge.reporting.numbers import figure
from hubmerge.reporting.off_path import OffPath, off_path
from hubmerge.reporting.schema.report import Report
from spaces_app.ui.markup import NONE, join

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40
HEADROOM = 1.08
TICKS = 5
"""Most ticks of the scale."""
STEP = 0.26
"""Largest distance between neighbours on a complete path, as plans have it."""
STAR = " ".join(
    f"{(9 if k % 2 == 0 else 3.6) * math.sin(k * math.pi / 5):.1f},"
    f"{-(9 if k % 2 == 0 else 3.6) * math.cos(k * math.pi / 5):.1f}"
    for k in range(10)
)
"""The corners of the mark of a merge that lies off the path."""

CURVE_STYLES = {
    "naive": ("without matching", "hm-naive", "square"),
    "matched": ("matched", "hm-matched", "circle"),
}
"""Path -> its name, class, and mark."""

Points = Sequence[tuple[float, float]]
"""(lambda, loss), by lambda."""


@dataclass(frozen=True)
class ReferenceLosses:
    """Losses drawn as reference lines, and the merge that lies off the path; None where unknown."""

    a: float | None = None
    b: float | None = None
    ensemble: float | None = None
    merge: OffPath | None = None


def from_report(report: Report, lam: float | None = None) -> Markup:
    """Both measured curves of a finished merge. lam: position of the slider."""
    curves = curves_of(report)
    given = report.contenders
    references = ReferenceLosses(
        given.parent_a.loss, given.parent_b.loss, given.ensemble.loss, off_path(report)
    )
    return draw(curves, references, lam, finished=True) if curves else NONE


def curves_of(report: Report) -> dict[str, list[tuple[float, float]]]:
    """Path -> (lambda, loss) of a finished merge, by lambda."""
    detail = report.barrier.detail
    matched = None if report.method.match == "none" else detail.matched  # else the same path
    return {
        name: sorted((point.lam, point.loss) for point in curve.points)
        for name, curve in (("naive", detail.naive), ("matched", matched))
        if curve is not None
    }


def thumbnail(report: Report) -> Markup:
    """Both curves of a merge, small and without words."""
    box = (LEFT - 8, 0, WIDTH - LEFT - RIGHT + 16, HEIGHT - BOTTOM + 8)
    return _small(curves_of(report), "hm-thumb", 'aria-hidden="true"', box=box)


def first_picture(curves: Mapping[str, Points]) -> Markup:
    """Two curves with a word beside each."""
    top = max(loss for points in curves.values() for _, loss in points) * HEADROOM
    words = []
    for name, said, down in (
        ("naive", "averaged as they are", 4),
        ("matched", "matched first", -10),
    ):
        lam, loss = max(curves[name], key=lambda point: point[1])
        aside = (14, "start") if name == "naive" else (0, "middle")
        words.append(
            Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(
                float(_x(lam)) + aside[0], float(_y(loss, top)) + down, aside[1], f"hm-{name}", said
            )
        )
    ends = [
        Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
            _x(place), HEIGHT - 14, anchor, said
        )
        for place, anchor, said in (
            (0.0, "start", "model A"),
            (0.5, "middle", "half of each"),
            (1.0, "end", "model B"),
        )
    ]
    said = (
        "The loss between two models rises to a high barrier where they are averaged as they are, "
        "and stays flat where their units are matched first."
    )
    return _small(
        curves, "hm-curve", Markup('role="img" aria-label="{}"').format(said), [*words, *ends]
    )


def _small(
    curves: Mapping[str, Points],
    style: str,
    said: object,
    words: Sequence[Markup] = (),
    box: tuple[int, int, int, int] = (0, 0, WIDTH, HEIGHT),
) -> Markup:
    """Curves on a ground line."""
    top = max((loss for points in curves.values() for _, loss in points), default=1.0) * HEADROOM
    top = top or 1.0
    ground = _rule(0.0, 0.0, top, "hm-grid")
    lines = [_line(name, points, top, gaps=True) for name, points in curves.items()]
    return Markup('<svg viewBox="{}" class="{}" {}>{}</svg>').format(
        " ".join(map(str, box)), style, Markup(said), join([ground, *lines, *words])
    )


def draw(
    curves: Mapping[str, Points],
    references: ReferenceLosses | None = None,
    lam: float | None = None,
    *,
    finished: bool = False,
) -> Markup:
    """The curves measured so far, or all of them, with a legend."""
    references = references or ReferenceLosses()
    known = [loss for points in curves.values() for _, loss in points]
    known += [
        level for level in (references.a, references.b, references.ensemble) if level is not None
    ]
    top = max(known, default=1.0) * HEADROOM or 1.0
    parts = [_grid(top), *_reference_lines(references, top)]
    parts += [_line(name, points, top, gaps=finished) for name, points in curves.items()]
    if references.merge is not None:
        parts.append(_star(references.merge, top))
    if lam is not None:
        parts.append(_marker(lam))
    said = "; ".join(
        f"{CURVE_STYLES[name][0]}: highest loss {figure(max(loss for _, loss in points))}"
        for name, points in curves.items()
        if points
    )
    picture = Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="Loss along the path between the parents. '
        '{}" class="hm-curve">{}</svg>'
    ).format(WIDTH, HEIGHT, said, join(parts))
    return Markup('<figure class="hm-figure">{}{}</figure>').format(
        picture, _legend(curves, references)
    )


def _x(lam: float) -> str:
    return f"{LEFT + lam * (WIDTH - LEFT - RIGHT):.1f}"


def _y(loss: float, top: float) -> str:
    return f"{HEIGHT - BOTTOM - loss / top * (HEIGHT - TOP - BOTTOM):.1f}"


def _grid(top: float) -> Markup:
    lines = []
    step = _round_step(top / TICKS)
    for number in range(int(top / step) + 1):
        value = number * step
        y = _y(value, top)
        lines.append(
            Markup(
                '<line x1="{}" x2="{}" y1="{}" y2="{}" class="hm-grid"/>'
                '<text x="{}" y="{}" text-anchor="end" dy="4">{}</text>'
            ).format(LEFT, WIDTH - RIGHT, y, y, LEFT - 8, y, f"{value:.3g}")
        )
    for value, name, anchor in (
        (0.0, "parent A", "start"),
        (0.5, "λ = 0.5", "middle"),
        (1.0, "parent B", "end"),
    ):
        lines.append(
            Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
                _x(value), HEIGHT - 14, anchor, name
            )
        )
    return join(lines)


def _round_step(wanted: float) -> float:
    """The smallest number from `wanted` on that is 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= wanted * (1 - 1e-9))


def _reference_lines(references: ReferenceLosses, top: float) -> list[Markup]:
    lines = []
    if references.a is not None and references.b is not None:
        lines.append(_rule(references.a, references.b, top, "hm-parents"))
    if references.ensemble is not None:
        lines.append(_rule(references.ensemble, references.ensemble, top, "hm-ensemble"))
    return lines


def _rule(left: float, right: float, top: float, style: str) -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(
        _x(0), _y(left, top), _x(1), _y(right, top), style
    )


def _line(name: str, points: Points, top: float, *, gaps: bool = False) -> Markup:
    """A curve. gaps: whether neighbours are joined however far apart they are."""
    _, style, mark = CURVE_STYLES[name]
    lines = join(
        Markup('<polyline points="{}"/>').format(
            " ".join(f"{_x(lam)},{_y(loss, top)}" for lam, loss in run)
        )
        for run in ([list(points)] if gaps else _runs(points))
    )
    marks = join(_mark(mark, _x(lam), _y(loss, top)) for lam, loss in points)
    return Markup('<g class="{}">{}{}</g>').format(style, lines, marks)


def _runs(points: Points) -> list[list[tuple[float, float]]]:
    """The points in runs without gaps: no line is drawn where nothing was measured yet."""
    runs: list[list[tuple[float, float]]] = []
    for point in points:
        if runs and point[0] - runs[-1][-1][0] <= STEP:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _mark(kind: str, x: str, y: str) -> Markup:
    if kind == "circle":
        return Markup('<circle cx="{}" cy="{}" r="3.6"/>').format(x, y)
    return Markup('<rect x="{}" y="{}" width="6.4" height="6.4"/>').format(
        f"{float(x) - 3.2:.1f}", f"{float(y) - 3.2:.1f}"
    )


def _star(merge: OffPath, top: float) -> Markup:
    return Markup('<polygon points="{}" transform="translate({} {})" class="hm-merge"/>').format(
        STAR, _x(merge.lam), _y(merge.loss, top)
    )


def _marker(lam: float) -> Markup:
    return Markup('<line x1="{}" x2="{}" y1="{}" y2="{}" class="hm-lambda"/>').format(
        _x(lam), _x(lam), TOP, HEIGHT - BOTTOM
    )


def _legend(curves: Mapping[str, Points], references: ReferenceLosses) -> Markup:
    items = [(CURVE_STYLES[name][1], CURVE_STYLES[name][0]) for name in curves]
    if references.a is not None:
        items.append(("hm-parents", "straight line between the parents' own losses"))
    if references.ensemble is not None:
        items.append(("hm-ensemble", "ensemble of the parents"))
    if references.merge is not None:
        items.append(("hm-merge", "this merge, off the path"))
    keys = join(Markup('<span class="hm-key {}">{}</span>').format(*item) for item in items)
    return Markup("<figcaption>Loss in nats (lower is better). {}</figcaption>").format(keys)
