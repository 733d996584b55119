"""The axis notation: what stands along each axis of a tensor.

    "resid (head qk + head qk + head vo)"      two axes
    "mid 1 kh kw"                              four axes, the second of length 1
    ""                                         no axes: a scalar

A name is a space; ``( )`` composes names into one axis, the last running fastest (as in einops);
``+`` lays parts of one axis end to end (as in einx); a number is itself. Groups may stand inside
groups: ``(head (rot + rot + vo))``. A name with a prime, ``qk'``, is the dual of its space: where
the space's units are mapped by G, this axis is mapped by the inverse transpose of G, so that
products over the space stay what they are (queries and keys). Permutations and rotations are their
own inverse transpose; for them the prime changes nothing.

`parse` turns text into axes; `lay_out` turns an axis and the sizes of its names into `Segment`s,
each a strided grid of positions along the axis, which is all that permuting and unfolding need.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product

from hubmerge.errors import SpecError

_TOKEN = re.compile(r"\s*([A-Za-z_]\w*'?|[1-9][0-9]*(?!\w)|[()+*])", re.ASCII)
DUAL = "'"
SAMPLES = "*"
"""In a watch line: an axis whose positions are observations, not units."""


@dataclass(frozen=True)
class Product:
    """Factors composed into one stretch of an axis, the last running fastest."""

    factors: tuple[Factor, ...]


@dataclass(frozen=True)
class Axis:
    """Products laid end to end along one axis (nearly always a single one)."""

    parts: tuple[Product, ...]

    def names(self) -> Iterator[str]:
        """Every name on the axis, in order, with repetitions."""
        for part in self.parts:
            for factor in part.factors:
                if isinstance(factor, Axis):
                    yield from factor.names()
                elif isinstance(factor, str):
                    yield factor.removesuffix(DUAL)

    @property
    def name(self) -> str | None:
        """The one name the axis consists of; None where it is composed, or a number."""
        factors = [factor for part in self.parts for factor in part.factors]
        alone = len(factors) == 1 and isinstance(factors[0], str)
        return next(self.names()) if alone else None

    def rename(self, names: Mapping[str, str]) -> Axis:
        """The same axis with each name replaced by what `names` calls it."""

        def one(factor: Factor) -> Factor:
            if isinstance(factor, Axis):
                return factor.rename(names)
            if not isinstance(factor, str):
                return factor
            mark = DUAL if factor.endswith(DUAL) else ""
            plain = factor.removesuffix(DUAL)
            return names.get(plain, plain) + mark

        return Axis(tuple(Product(tuple(map(one, part.factors))) for part in self.parts))

    def __str__(self) -> str:
        text = " + ".join(" ".join(map(str, part.factors)) for part in self.parts)
        simple = len(self.parts) == 1 and len(self.parts[0].factors) == 1
        return text if simple else f"({text})"


Factor = str | int | Axis


@lru_cache(maxsize=4096)
def parse(text: str) -> tuple[Axis, ...]:
    """The axes `text` names. Raises SpecError, pointing at the character that is wrong."""
    tokens = _tokens(text)
    axes = []
    position = 0
    while position < len(tokens):
        factor, position = _factor(text, tokens, position)
        axes.append(factor if isinstance(factor, Axis) else Axis((Product((factor,)),)))
    return tuple(axes)


def _tokens(text: str) -> list[tuple[str, int]]:
    found, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            start = len(text) - len(text[position:].lstrip())
            raise _error(text, start, f"{text[start:].split()[0]!r} is no part of the notation")
        found.append((match[1], match.start(1)))
        position = match.end()
    return found


def _factor(text: str, tokens: list[tuple[str, int]], at: int) -> tuple[Factor, int]:
    token, column = tokens[at]
    if token == "(":
        return _group(text, tokens, at)
    if token in ")+":
        raise _error(text, column, f"{token!r} stands where a name, a number or '(' belongs")
    return (int(token) if token.isdigit() else token), at + 1


def _group(text: str, tokens: list[tuple[str, int]], at: int) -> tuple[Axis, int]:
    opened = tokens[at][1]
    at += 1
    parts: list[Product] = []
    factors: list[Factor] = []
    while at < len(tokens):
        token, column = tokens[at]
        if token in "+)":
            if not factors:
                raise _error(text, column, f"nothing stands before {token!r}")
            parts.append(Product(tuple(factors)))
            factors = []
            at += 1
            if token == ")":
                return Axis(tuple(parts)), at
        else:
            factor, at = _factor(text, tokens, at)
            factors.append(factor)
    raise _error(text, opened, "this '(' is never closed")


def _error(text: str, column: int, found: str) -> SpecError:
    return SpecError(
        f'"{text}" cannot be read',
        found=f"{found}, at character {column + 1}",
        hint="axes are names, numbers, ( ) to compose and + to lay end to end: "
        '"resid (head qk + head qk)"',
    )


@dataclass(frozen=True)
class Grid:
    """One factor of a segment: its name (None for a number), its size, its step along the axis.

    dual: whether the name stands with a prime.
    """

    name: str | None
    size: int
    stride: int
    dual: bool = False


@dataclass(frozen=True)
class Segment:
    """A strided grid of positions along one axis: offset + sum of coordinate x stride."""

    offset: int
    grids: tuple[Grid, ...]

    @cached_property
    def names(self) -> tuple[str | None, ...]:
        """The factors' names, outermost first."""
        return tuple(grid.name for grid in self.grids)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The factors' sizes, outermost first."""
        return tuple(grid.size for grid in self.grids)


def short(name: str) -> str:
    """What the spec file calls the space with that full name: 'h.0.head' is head."""
    return name.rsplit(".", 1)[-1]


def axis_size(axis: Axis, sizes: Mapping[str, int]) -> int:
    """Length of `axis` where every name has a size."""
    return sum(_product_size(part, sizes) for part in axis.parts)


def _factor_size(factor: Factor, sizes: Mapping[str, int]) -> int:
    if isinstance(factor, Axis):
        return axis_size(factor, sizes)
    return factor if isinstance(factor, int) else sizes[factor.removesuffix(DUAL)]


def _product_size(part: Product, sizes: Mapping[str, int]) -> int:
    size = 1
    for factor in part.factors:
        size *= _factor_size(factor, sizes)
    return size


def lay_out(axis: Axis, sizes: Mapping[str, int]) -> tuple[Segment, ...]:
    """The segments that tile `axis`: each position along it belongs to exactly one."""
    segments: list[Segment] = []
    start = 0
    for part in axis.parts:
        choices: list[list[tuple[int, tuple[Grid, ...]]]] = []
        stride = 1
        for factor in reversed(part.factors):
            size = _factor_size(factor, sizes)
            if isinstance(factor, Axis):
                choices.append(
                    [
                        (
                            inner.offset * stride,
                            tuple(replace(g, stride=g.stride * stride) for g in inner.grids),
                        )
                        for inner in lay_out(factor, sizes)
                    ]
                )
            else:
                name = factor.removesuffix(DUAL) if isinstance(factor, str) else None
                dual = isinstance(factor, str) and factor.endswith(DUAL)
                choices.append([(0, (Grid(name, size, stride, dual),))])
            stride *= size
        for combination in product(*reversed(choices)):
            offset = start + sum(shift for shift, _ in combination)
            grids = tuple(grid for _, grids in combination for grid in grids)
            segments.append(Segment(offset, grids))
        start += stride
    return tuple(segments)
