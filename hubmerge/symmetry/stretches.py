"""Stretches of axes: what touches a space, taken out of a tensor as rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from hubmerge.specs.notation import Segment
from hubmerge.specs.spec import Layout, Spec
from hubmerge.symmetry.permutation import positions


@dataclass(frozen=True)
class Stretch:
    """How rows are taken out of a tensor.

    axes: those in front of the rows, the one that is stretched over the space the last of them.
    index: positions of the stretch along that axis; None: all of it. shape: of its factors. order:
    of the axes of rows, what the rows run along first, in so many `outer` axes. dual: whether the
    tensor holds the space as its dual there.
    """

    axes: tuple[int, ...]
    index: Tensor | None
    shape: tuple[int, ...]
    order: tuple[int, ...]
    outer: int
    dual: bool

    def rows(self, tensor: Tensor) -> Tensor:
        """[outer sizes..., n, rest]."""
        last = len(self.axes) - 1
        rows = tensor.movedim(self.axes, tuple(range(last + 1)))
        if self.index is not None:
            rows = rows.index_select(last, self.index.to(tensor.device))
        rows = rows.reshape(*rows.shape[:last], *self.shape, -1).permute(self.order)
        return rows.reshape(*rows.shape[: self.outer], -1)


def stretches(
    spec: Spec,
    layout: Layout,
    space: str,
    without: frozenset[str] = frozenset(),
    beside: str | None = None,
) -> tuple[Stretch, ...]:
    """Every stretch of the axis that runs over a space; parameters as of `unfold`."""
    key = (id(layout), space, without, beside)
    kept = spec.memo.get(key)
    if kept is None or kept[0] is not layout:
        kept = spec.memo[key] = (layout, tuple(_found(spec, layout, space, without, beside)))
    return kept[1]


def unfold(
    spec: Spec,
    tensor: Tensor,
    layout: Layout,
    space: str,
    without: frozenset[str] = frozenset(),
    beside: str | None = None,
) -> Iterator[Tensor]:
    """Everything in `tensor` that touches `space`, as rows: [outer sizes..., n, rest].

    One result per stretch of the axis that runs over the space (two for a fused "ff + ff");
    stretches that also run over a space named in `without` are left out.
    beside: a space that lies within the same one; then only stretches that compose both are given,
    as [outer sizes..., size of that space, n, rest].
    """
    for stretch in stretches(spec, layout, space, without, beside):
        yield stretch.rows(tensor)


def _found(
    spec: Spec, layout: Layout, space: str, without: frozenset[str], beside: str | None
) -> Iterator[Stretch]:
    for number, segments in enumerate(layout.segments):
        elsewhere = {n for k, axis in enumerate(layout.axes) if k != number for n in axis.names()}
        if space not in layout.axes[number].names() or without & elsewhere:
            continue
        outer = layout.outer_axes(spec, number)
        for segment in segments:
            if not {space, *([beside] if beside else [])} <= {*segment.names}:
                continue
            if without.intersection(filter(None, segment.names)):
                continue
            names = (*(layout.axes[k].name for k in outer), *segment.names)
            wanted = (*spec.ancestors(space), *([beside] if beside else []), space)
            places = [names.index(name) for name in wanted]
            rest = [k for k in range(len(names)) if k not in places]
            yield Stretch(
                axes=(*outer, number),
                index=positions(segment).flatten() if len(segments) > 1 else None,
                shape=segment.shape,
                order=(*places, *rest, len(names)),
                outer=len(places),
                dual=_is_dual(segment, space),
            )


def _is_dual(segment: Segment, space: str) -> bool:
    return next(grid.dual for grid in segment.grids if grid.name == space)
