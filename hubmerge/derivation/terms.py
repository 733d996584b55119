"""What runs along an axis, found by unification.

A `Term` is an atom, a product of terms (a view that merges axes) or terms end to end (a slice).
`unify` says that two terms are one; where that cannot be said in this algebra, both are pinned:
what is not understood costs freedom, and never truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod

PRODUCT, SUM = "product", "sum"


class Term:
    """An axis or a part of one. `parts` is empty for an atom; `why` says what pinned it."""

    __slots__ = ("_root", "kind", "origin", "parts", "size", "why")

    def __init__(self, size: int, why: str | None = None) -> None:
        self.size = size
        self.kind = ""
        self.parts: tuple[Term, ...] = ()
        self.why = why
        self.origin: Term | None = None
        """The term that was split, where this is its outer factor."""
        self._root: Term | None = None

    @property
    def root(self) -> Term:
        """The term that stands for all that are one with this."""
        found = self
        while found._root is not None:
            found = found._root
        return found

    def join(self, other: Term) -> None:
        """From here on this one is `other`."""
        if self is not other:
            self._root = other


def pin(term: Term, why: str) -> None:
    """No atom of `term` may be reordered; the first reason given is kept."""
    for atom in atoms(term):
        if atom.why is None:
            atom.why = why


def product(terms: Iterable[Term]) -> Term:
    """`terms` as one axis, the last running fastest."""
    factors = tuple(term for term in terms if term.size != 1)
    if len(factors) == 1:
        return factors[0]
    made = Term(prod(term.size for term in factors), None if factors else "one")
    if factors:
        made.kind, made.parts = PRODUCT, factors
    return made


def end_to_end(terms: Iterable[Term]) -> Term:
    """`terms` laid end to end along one axis."""
    laid = tuple(terms)
    if len(laid) == 1:
        return laid[0]
    made = Term(sum(term.size for term in laid))
    made.kind, made.parts = SUM, laid
    return made


def parts_of(term: Term) -> list[Term]:
    """The roots of its parts."""
    return [part.root for part in term.root.parts]


def factors(term: Term) -> list[Term]:
    """What it is a product of, products within products flattened; itself, if it is none."""
    term = term.root
    if term.kind == PRODUCT:
        return [factor for part in parts_of(term) for factor in factors(part)]
    return [term]


def stretches(term: Term) -> list[Term]:
    """What is laid end to end along it; itself, if nothing is."""
    term = term.root
    if term.kind == SUM:
        return [stretch for part in parts_of(term) for stretch in stretches(part)]
    return [term]


def atoms(term: Term) -> Iterator[Term]:
    """Every atom of it, in order, with repetitions."""
    term = term.root
    if not term.parts:
        yield term
    for part in term.parts:
        yield from atoms(part)


def split(atom: Term, outer: int) -> tuple[Term, Term]:
    """An atom as a product of an outer factor of that size and the rest."""
    atom = atom.root
    first, rest = Term(outer, atom.why), Term(atom.size // outer, atom.why)
    first.origin = atom
    atom.kind, atom.parts = PRODUCT, (first, rest)
    return first, rest


def cut(term: Term, at: int) -> bool:
    """Makes position `at` a border between stretches of `term`; False where that is impossible."""
    start = 0
    for part in stretches(term):
        if start < at < start + part.size:
            return _cut_within(part, at - start)
        start += part.size
    return True


def _cut_within(part: Term, at: int) -> bool:
    if part.kind == PRODUCT:
        outer, *inner = parts_of(part)
        step = part.size // outer.size
        if at % step or not cut(outer, at // step):
            return False
        part.parts = tuple(product([piece, *inner]) for piece in stretches(outer))
        part.kind = SUM
        return True
    first, second = Term(at, part.why), Term(part.size - at, part.why)
    part.kind, part.parts = SUM, (first, second)
    return True


def between(term: Term, start: int, stop: int) -> Term | None:
    """What lies along `term` from `start` to `stop`; None where no border can be made."""
    if not cut(term, start) or not cut(term, stop):
        return None
    position, inside = 0, []
    for part in stretches(term):
        if start <= position < stop:
            inside.append(part)
        position += part.size
    return end_to_end(inside)


def unify(one: Term, other: Term, why: str = "an operation that is not understood") -> None:
    """Says that both are the same axis; pins them where they cannot be."""
    one, other = one.root, other.root
    if one is other:
        return
    if one.size != other.size:
        pin(one, why)
        pin(other, why)
        return
    if one.parts and not other.parts:
        one, other = other, one
    if not one.parts:
        if any(atom is one for atom in atoms(other)):
            pin(other, why)
            return
        if one.why is not None:
            pin(other, one.why)
        one.join(other)
    elif one.kind == other.kind:
        fits = _unify_products if one.kind == PRODUCT else _unify_sums
        if fits(one, other, why):
            if one.root is not other.root:
                one.join(other)
        else:
            pin(one, why)
            pin(other, why)
    else:
        pin(one, why)
        pin(other, why)


def _unify_products(one: Term, other: Term, why: str) -> bool:
    left, right = factors(one), factors(other)
    i = j = 0
    while i < len(left) and j < len(right):
        x, y = left[i].root, right[j].root
        if x.size == y.size:
            unify(x, y, why)
            i, j = i + 1, j + 1
        elif x.size < y.size and y.size % x.size == 0 and not y.parts:
            outer, right[j] = split(y, x.size)
            unify(x, outer, why)
            i += 1
        elif y.size < x.size and x.size % y.size == 0 and not x.parts:
            outer, left[i] = split(x, y.size)
            unify(y, outer, why)
            j += 1
        else:
            return False
    return True


def _unify_sums(one: Term, other: Term, why: str) -> bool:
    for term, borders in ((other, one), (one, other)):
        position = 0
        for part in stretches(borders)[:-1]:
            position += part.size
            if not cut(term, position):
                return False
    left, right = stretches(one), stretches(other)
    if [part.size for part in left] != [part.size for part in right]:
        return False
    for x, y in zip(left, right, strict=True):
        unify(x, y, why)
    return True


def regroup(dims: Iterable[Term], shape: Iterable[int]) -> list[Term] | None:
    """The same positions as axes of another `shape`; None where the algebra cannot say it."""
    shape = list(shape)
    if 0 in shape:  # nothing runs along axes of an empty tensor
        return [Term(size) for size in shape]
    left = [factor for dim in dims for factor in factors(dim) if factor.size != 1]
    found = []
    for wanted in shape:
        taken, need = [], wanted
        while need > 1:
            if not left:
                return None
            factor = left.pop(0).root
            if factor.kind == PRODUCT:
                left[:0] = factors(factor)
            elif need % factor.size == 0:
                taken.append(factor)
                need //= factor.size
            elif factor.size % need == 0 and not factor.parts:
                outer, rest = split(factor, need)
                taken.append(outer)
                left.insert(0, rest)
                need = 1
            else:
                return None
        found.append(product(taken) if taken else Term(1, "one"))
    return found


def separate(outer: Term) -> list[dict[Term, Term]] | None:
    """An outer factor whose units are taken one by one, turned into stretches laid end to end.

    Returns, per unit of `outer`, what stands there in place of each factor beside it (fused
    queries, keys and values have an order of their own each); None if `outer` was not split off.
    """
    outer = outer.root
    whole = None if outer.origin is None else outer.origin.root
    if whole is None or outer.why or whole.kind != PRODUCT or parts_of(whole)[0] is not outer:
        return None
    inner = [factor for part in parts_of(whole)[1:] for factor in factors(part)]
    if len(parts_of(whole)) < 2 or any(atom.why for factor in inner for atom in atoms(factor)):
        return None
    copies = [{factor: Term(factor.size) for factor in inner} for _ in range(outer.size)]
    whole.kind = SUM
    whole.parts = tuple(product(copy.values()) for copy in copies)
    pin(outer, "its units are taken one by one")
    for factor in inner:
        pin(factor, "its units are taken one by one")
    return copies


def replaced(term: Term, copies: Mapping[Term, Term]) -> Term:
    """`term` with factors exchanged for others."""
    return product(copies.get(factor, factor) for factor in factors(term))
