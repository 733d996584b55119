"""The axes of the traced tensors as expressions over leaves; what is pinned is one leaf."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from hubmerge.derivation.terms import PRODUCT, Term


@dataclass(frozen=True)
class Leaf:
    """A space, or a stretch that stays in order.

    key: what leaves that are one share. size: in the twin. why: what pinned it; None if free.
    """

    key: tuple[int, ...]
    size: int
    why: str | None = None


@dataclass(frozen=True)
class Product:
    """Factors, the last running fastest."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Sum:
    """Parts laid end to end."""

    parts: tuple[Expression, ...]


Expression = Leaf | Product | Sum


def size_of(expression: Expression) -> int:
    """Its length in the twin."""
    if isinstance(expression, Leaf):
        return expression.size
    sizes = [size_of(part) for part in expression.parts]
    return prod(sizes) if isinstance(expression, Product) else sum(sizes)


def leaves(expression: Expression) -> Iterator[Leaf]:
    """Every leaf, in order, with repetitions."""
    if isinstance(expression, Leaf):
        yield expression
        return
    for part in expression.parts:
        yield from leaves(part)


def expression_of(term: Term) -> Expression:
    """A term, simplified."""
    term = term.root
    if not term.parts:
        return Leaf((id(term),), term.size, term.why or ("one" if term.size == 1 else None))
    flat: list[Expression] = []
    kind = Product if term.kind == PRODUCT else Sum
    for part in map(expression_of, term.parts):
        flat += part.parts if isinstance(part, kind) else [part]
    merged: list[Expression] = []
    for part in flat:
        last = merged[-1] if merged else None
        if isinstance(part, Leaf) and part.why and isinstance(last, Leaf) and last.why:
            size = last.size * part.size if kind is Product else last.size + part.size
            merged[-1] = Leaf((*last.key, *part.key), size, last.why)
        else:
            merged.append(part)
    return merged[0] if len(merged) == 1 else kind(tuple(merged))


def written(expression: Expression, names: Mapping[tuple[int, ...], str]) -> str:
    """The expression in the notation of specs."""
    if isinstance(expression, Leaf):
        return names[expression.key]
    text = _inside(expression, names)
    return f"({text})"


def _inside(expression: Expression, names: Mapping[tuple[int, ...], str]) -> str:
    if isinstance(expression, Leaf):
        return names[expression.key]
    if isinstance(expression, Sum):
        return " + ".join(_inside(part, names) for part in expression.parts)
    return " ".join(
        f"({_inside(part, names)})" if isinstance(part, Sum) else _inside(part, names)
        for part in expression.parts
    )
