"""What must hold of spaces within spaces: on every axis the outer one stands to the left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hubmerge.errors import SpecError
from hubmerge.specs.notation import DUAL, SAMPLES, Axis, short
from hubmerge.specs.sizes import Line
from hubmerge.specs.spec import Space


def check_nesting(what: str, line: Line, spaces: Mapping[str, Space]) -> None:
    """Raises: SpecError, unless a space stands to the right of the one it lies within: composed,
    or on a later axis.
    """
    alone: list[str] = []
    for axis in line.axes:
        for inner, outer in _stranded(axis, alone, spaces):
            raise SpecError(
                what,
                found=f"{short(inner)!r} lies within {short(outer)!r}, which is not to its left",
                source=line.source,
                hint=f"compose them: ({short(outer)} {short(inner)}); or give "
                f"{short(outer)!r} an axis of its own before that",
            )
        if axis.name is not None:
            alone += axis.names()


def _stranded(
    axis: Axis, outside: Iterable[str], spaces: Mapping[str, Space]
) -> Iterator[tuple[str, str]]:
    for part in axis.parts:
        to_the_left = list(outside)
        for factor in part.factors:
            if isinstance(factor, Axis):
                yield from _stranded(factor, to_the_left, spaces)
            elif isinstance(factor, str) and factor != SAMPLES:
                name = factor.removesuffix(DUAL)
                outer = spaces[name].within
                if outer and outer not in to_the_left:
                    yield name, outer
                to_the_left.append(name)


def composed_with_itself(axis: Axis, name: str) -> bool:
    """Whether one part of the axis is a product that holds `name` twice."""
    for part in axis.parts:
        holding = [
            factor
            for factor in part.factors
            if factor in (name, name + DUAL)
            or (isinstance(factor, Axis) and name in factor.names())
        ]
        if len(holding) > 1:
            return True
        if any(isinstance(f, Axis) and composed_with_itself(f, name) for f in holding):
            return True
    return False
