"""Operations that look rows up, or write into them: what is indexed is pinned, the rest is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from hubmerge.derivation.terms import Term, pin, unify
from hubmerge.derivation.trace import Trace, along, rule, terms_one

WHY = "rows of it are looked up"


def _indexed(trace: Trace, tensor: Tensor, given: Sequence[Any]) -> list[Term] | None:
    """The terms of tensor[given]."""
    dims = trace.of(tensor)
    indices = [*given, *[None] * (len(dims) - len(given))]
    if any(isinstance(i, Tensor) and i.dtype in _BOOLEAN for i in indices):
        return None
    places = [n for n, index in enumerate(indices) if index is not None]
    shape: list[int] = []
    for n in places:
        pin(dims[n], WHY)
        shape = list(_broadcast(shape, list(indices[n].shape)))
    chosen = [indices[n] for n in places]
    widest = [i for i in chosen if i.dim() == len(shape)]
    inner = [
        next(
            (
                trace.of(i)[n]
                for i in widest
                if i.shape[n] == size and size > 1 and trace.of(i)[n].root.why is None
            ),
            terms_one(size),
        )
        for n, size in enumerate(shape)
    ]
    for i in widest:
        for n, term in enumerate(inner):
            if i.shape[n] == term.size and term.size > 1:
                unify(trace.of(i)[n], term)
    kept = [(n, dim) for n, dim in enumerate(dims) if n not in places]
    adjacent = places == list(range(places[0], places[-1] + 1)) if places else True
    at = sum(n < places[0] for n, _ in kept) if places and adjacent else 0
    rest = [dim for _, dim in kept]
    return [*rest[:at], *inner, *rest[at:]]


def _broadcast(one: list[int], other: list[int]) -> list[int]:
    length = max(len(one), len(other))
    left, right = ([1] * (length - len(each)) + each for each in (one, other))
    return [max(a, b) if 0 not in (a, b) else 0 for a, b in zip(left, right, strict=True)]


def _booleans() -> tuple[Any, ...]:
    import torch

    return (torch.bool, torch.uint8)


_BOOLEAN = _booleans()


@rule("index", "_unsafe_index")
def index(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Rows by their numbers, or by a mask over leading axes."""
    dims = trace.of(args[0])
    first = args[1][0] if args[1] else None
    if isinstance(first, Tensor) and first.dtype in _BOOLEAN and len(args[1]) == 1:
        for dim in (*dims[: first.dim()], *trace.of(first)):
            pin(dim, WHY)
        trace.set(out, [terms_one(out.shape[0]), *dims[first.dim() :]])
        return True
    made = _indexed(trace, args[0], args[1])
    if made is None or [term.size for term in made] != list(out.shape):
        return False
    trace.set(out, made)
    trace.passes(args[0], out)
    return True


@rule("index_put", "index_put_", "_index_put_impl_", "_unsafe_index_put")
def index_put(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Rows are written by their numbers; the axes that are not indexed are one."""
    dims, first = trace.of(args[0]), args[1][0] if args[1] else None
    if isinstance(first, Tensor) and first.dtype in _BOOLEAN:
        count = first.dim()
        for dim in (*dims[:count], *trace.of(first)):
            pin(dim, WHY)
        values = trace.of(args[2])
        for one, other in zip(dims[count:][::-1], values[::-1], strict=False):
            if one.size == other.size > 1:
                unify(one, other)
        trace.set(out, dims)
        return True
    made = _indexed(trace, args[0], args[1])
    if made is None:
        return False
    for one, other in zip(made[::-1], trace.of(args[2])[::-1], strict=False):
        if one.size == other.size > 1:
            unify(one, other)
    trace.set(out, dims)
    return True


@rule("index_add", "index_add_", "index_copy", "index_copy_")
def index_add(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Rows are added to, by their numbers along one axis."""
    dims, source = trace.of(args[0]), trace.of(args[3])
    at = args[1] % len(dims)
    for number, (one, other) in enumerate(zip(dims, source, strict=True)):
        if number == at:
            pin(one, WHY)
            pin(other, WHY)
        else:
            unify(one, other)
    trace.set(out, dims)
    return True


@rule("index_select")
def index_select(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Rows by their numbers along one axis."""
    dims = list(trace.of(args[0]))
    at = args[1] % len(dims)
    pin(dims[at], WHY)
    dims[at] = terms_one(out.shape[at])
    trace.set(out, dims)
    return True


@rule("gather", "take_along_dim")
def gather(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Along one axis numbers say what is taken; along all others they go together."""
    dims, numbers = trace.of(args[0]), trace.of(args[2])
    at = args[1] % len(dims)
    made = []
    for place, (one, other) in enumerate(zip(dims, numbers, strict=True)):
        if place == at:
            pin(one, WHY)
            made.append(other)
            continue
        if one.size == other.size:
            unify(one, other)
        else:
            pin(one, WHY)
        made.append(other)
    trace.set(out, made)
    return True


@rule("scatter", "scatter_", "scatter_add", "scatter_add_")
def scatter(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """As gather, the other way round."""
    dims, numbers = trace.of(args[0]), trace.of(args[2])
    at = args[1] % len(dims)
    for place, (one, other) in enumerate(zip(dims, numbers, strict=True)):
        if place == at or one.size != other.size:
            pin(one, WHY)
        else:
            unify(one, other)
    source = args[3] if len(args) > 3 else kwargs.get("src")
    if isinstance(source, Tensor):
        along(trace, [args[2], source], args[2])
    trace.set(out, dims)
    return True


@rule(
    "nonzero",
    "item",
    "_local_scalar_dense",
    "unique_consecutive",
    "_unique2",
    "bincount",
    "histc",
    "one_hot",
    "searchsorted",
    "bucketize",
    "isin",
)
def numbers(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Positions become values."""
    for tensor in args:
        if isinstance(tensor, Tensor):
            for dim in trace.of(tensor):
                pin(dim, "positions along it become numbers")
    for made in out if isinstance(out, tuple | list) else (out,):
        if isinstance(made, Tensor):
            trace.set(made, [terms_one(size) for size in made.shape])
    return True
