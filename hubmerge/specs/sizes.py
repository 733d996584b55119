"""Inferring the size of every space from the shapes of the tensors it runs along.

Each axis is one equation: the sum over its parts of the product of its factors is its length.
Equations with one unknown are solved until nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubmerge.errors import SpecError
from hubmerge.specs.notation import Axis, axis_size, short

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Line:
    """One line of a spec file: its text, the axes under their full names, where it stands."""

    text: str
    axes: tuple[Axis, ...]
    source: str


@dataclass(frozen=True)
class _Equation:
    tensor: str
    number: int
    axis: Axis
    shape: tuple[int, ...]
    line: Line

    @property
    def length(self) -> int:
        return self.shape[self.number]

    def unknown(self, sizes: Mapping[str, int]) -> list[str]:
        return sorted({name for name in self.axis.names() if name not in sizes})


def infer_sizes(
    lines: Mapping[str, Line], shapes: Shapes, known: Mapping[str, int]
) -> dict[str, int]:
    """Name -> size of every name on the axes of `lines` (by tensor).

    `known` sizes are those that were declared. Raises SpecError where an axis does not fit, or
    where the tensors leave a size open.
    """
    sizes = dict(known)
    origin = dict.fromkeys(known, "as declared")
    waiting = [
        _Equation(tensor, number, axis, shapes[tensor], line)
        for tensor, line in lines.items()
        for number, axis in enumerate(line.axes)
    ]
    while waiting:
        left = []
        for equation in waiting:
            unknown = equation.unknown(sizes)
            if len(unknown) > 1 or (unknown and not _is_linear(equation.axis, unknown[0], sizes)):
                left.append(equation)
                continue
            if unknown:
                name = unknown[0]
                sizes[name] = _solve(equation, name, sizes, origin)
                origin[name] = f"from {equation.tensor}"
            if axis_size(equation.axis, sizes) != equation.length:
                raise _misfit(equation, sizes, origin)
        if len(left) == len(waiting):
            raise _open(left[0], sizes)
        waiting = left
    return sizes


def _length(axis: Axis, name: str, size: int, sizes: Mapping[str, int]) -> int:
    return axis_size(axis, {**sizes, name: size})


def _is_linear(axis: Axis, name: str, sizes: Mapping[str, int]) -> bool:
    at_0, at_1, at_2 = (_length(axis, name, size, sizes) for size in (0, 1, 2))
    return at_2 - at_1 == at_1 - at_0


def _solve(
    equation: _Equation, name: str, sizes: Mapping[str, int], origin: Mapping[str, str]
) -> int:
    """The one positive size that makes the axis as long as it is."""
    at_0, at_1 = (_length(equation.axis, name, size, sizes) for size in (0, 1))
    size, rest = divmod(equation.length - at_0, at_1 - at_0)
    if rest or size < 1:
        raise _misfit(equation, sizes, origin)
    return size


def _open(equation: _Equation, sizes: Mapping[str, int]) -> SpecError:
    unknown = [repr(short(name)) for name in equation.unknown(sizes)]
    return SpecError(
        f"the size of {unknown[0]} is left open"
        if len(unknown) == 1
        else f"the sizes of {' and '.join(unknown)} cannot be distinguished",
        found=f'{equation.tensor} is "{equation.line.text}", axis {equation.number} has length '
        f"{equation.length}   {list(equation.shape)}",
        source=equation.line.source,
        hint="give one of them a size: a number or a configuration field",
    )


def _misfit(equation: _Equation, sizes: Mapping[str, int], origin: Mapping[str, str]) -> SpecError:
    axis, names = equation.axis, dict.fromkeys(equation.axis.names())
    arithmetic = _arithmetic(axis, sizes)
    size = axis_size(axis, sizes) if all(name in sizes for name in names) else None
    total = f" = {size}" if size is not None and arithmetic != str(size) else ""
    reasons = [f"{short(name)} = {sizes[name]} {origin[name]}" for name in names if name in sizes]
    return SpecError(
        f'{equation.tensor} does not fit "{equation.line.text}"',
        found=f"axis {equation.number}: {arithmetic}{total}, but the tensor has "
        f"{equation.length}   {list(equation.shape)}\n" + "\n".join(reasons),
        source=equation.line.source,
        hint=_suggestion(equation, size),
    )


def _suggestion(equation: _Equation, size: int | None) -> str:
    if size and equation.length in (2 * size, 3 * size):
        times, axis = equation.length // size, equation.axis
        written = str(axis.rename({name: short(name) for name in axis.names()})).strip("()")
        parts = " + ".join([written] * times)
        return f"{equation.length} = {times}·{size}: are parts missing? ({parts})"
    if size in equation.shape:
        return f"another axis has {size}: are the axes in the tensor's order?"
    return "check the sizes these names have elsewhere"


def _arithmetic(axis: Axis, sizes: Mapping[str, int]) -> str:
    def factor(given: str | int | Axis) -> str:
        if isinstance(given, Axis):
            return f"({_arithmetic(given, sizes)})"
        return str(sizes.get(given, short(given))) if isinstance(given, str) else str(given)

    return " + ".join("·".join(map(factor, part.factors)) for part in axis.parts)
