"""Operations that arrange the same values otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubmerge.derivation.terms import (
    Term,
    between,
    end_to_end,
    factors,
    pin,
    product,
    regroup,
    replaced,
    separate,
    unify,
)
from hubmerge.derivation.trace import Trace, rule, terms_one


@rule("t")
def turned(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Both axes exchanged."""
    trace.set(out, trace.of(args[0])[::-1])
    trace.passes(args[0], out)
    return True


@rule("transpose", "permute", "transpose_")
def arranged(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Axes in another order."""
    dims = list(trace.of(args[0]))
    if len(args) == 2:
        dims = [dims[each] for each in args[1]]
    else:
        one, other = args[1], args[2]
        dims[one], dims[other] = dims[other], dims[one]
    trace.set(out, dims)
    trace.passes(args[0], out)
    return True


@rule("view", "_unsafe_view", "reshape", "_reshape_alias", "flatten", "unflatten")
def regrouped(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Axes merged and split."""
    dims = regroup(trace.of(args[0]), out.shape)
    if dims is None:
        return False
    trace.set(out, dims)
    trace.passes(args[0], out)
    return True


@rule("unsqueeze", "unsqueeze_")
def unsqueezed(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """One more axis, of length 1."""
    dims = list(trace.of(args[0]))
    at = args[1] if args[1] >= 0 else args[1] + len(dims) + 1
    dims.insert(at, terms_one())
    trace.set(out, dims)
    trace.passes(args[0], out)
    return True


@rule("squeeze", "squeeze_")
def squeezed(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Axes of length 1 less."""
    dims = trace.of(args[0])
    over = args[1] if len(args) > 1 else list(range(len(dims)))
    gone = {each % len(dims) for each in ([over] if isinstance(over, int) else over)}
    trace.set(out, [d for n, d in enumerate(dims) if not (n in gone and d.size == 1)])
    trace.passes(args[0], out)
    return True


@rule("expand")
def expanded(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Repeated along axes, along which all values are then the same."""
    dims = trace.of(args[0])
    new = out.dim() - len(dims)
    trace.set(
        out,
        [
            dims[n - new] if n >= new and dims[n - new].size == size else Term(size)
            for n, size in enumerate(out.shape)
        ],
    )
    trace.passes(args[0], out)
    return True


@rule("repeat")
def tiled(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Copies laid end to end, each in the same order."""
    dims = trace.of(args[0])
    dims = [*(terms_one() for _ in range(out.dim() - len(dims))), *dims]
    trace.set(
        out,
        [
            dim if times == 1 else product([Term(times), dim])
            for dim, times in zip(dims, args[1], strict=True)
        ],
    )
    return True


@rule("repeat_interleave")
def repeated(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Every unit several times in a row."""
    times, at = args[1], args[2] if len(args) > 2 else kwargs.get("dim")
    if not isinstance(times, int) or at is None:
        return False
    dims = list(trace.of(args[0]))
    dims[at] = product([dims[at], Term(times)])
    trace.set(out, dims)
    return True


@rule("slice")
def sliced(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A stretch of an axis."""
    dims = list(trace.of(args[0]))
    at = (args[1] if len(args) > 1 else 0) % len(dims)
    start = (args[2] if len(args) > 2 else 0) or 0
    length = dims[at].size
    start = max(start + length, 0) if start < 0 else start
    if out.shape[at] != length:
        whole = len(args) < 5 or args[4] == 1
        part = between(dims[at], start, start + out.shape[at]) if whole else None
        if part is None:
            pin(dims[at], "parts of it are taken")
            part = terms_one(out.shape[at])
        dims[at] = part
    trace.set(out, dims)
    trace.passes(args[0], out)
    return True


@rule("split", "split_with_sizes", "chunk", "unsafe_split", "tensor_split", "unsafe_chunk")
def divided(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Stretches that tile an axis."""
    dims = trace.of(args[0])
    at = (args[2] if len(args) > 2 else kwargs.get("dim", 0)) % len(dims)
    start = 0
    parts: list[Term] = []
    for made in out:
        part = between(dims[at], start, start + made.shape[at])
        if part is None:
            return False
        parts.append(part)
        start += made.shape[at]
    start = 0
    for made in out:
        part = between(dims[at], start, start + made.shape[at])
        assert part is not None
        trace.set(made, [*dims[:at], part, *dims[at + 1 :]])
        trace.passes(args[0], made)
        start += made.shape[at]
    return True


@rule("select", "unbind")
def taken(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """One unit of an axis, or each alone."""
    dims = trace.of(args[0])
    at = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % len(dims)
    outer, rest = dims[at].root, [*dims[:at], *dims[at + 1 :]]
    if outer not in trace.copies:
        made = separate(outer)
        if made is not None:
            trace.copies[outer] = made
    copies = trace.copies.get(outer)
    single = not isinstance(out, list | tuple)
    for number, each in enumerate([out] if single else out):
        if copies is None:
            trace.pin_once_used(each, outer, "its units are taken one by one")
            here = rest
        else:
            unit = copies[(args[2] if single else number) % outer.size]
            here = [_exchanged(dim, unit) for dim in rest]
        trace.set(each, here)
        trace.passes(args[0], each)
    return True


def _exchanged(dim: Term, unit: Mapping[Term, Term]) -> Term:
    if any(factor in unit for factor in factors(dim)):
        return replaced(dim, unit)
    return dim


@rule("cat", "concat", "concatenate")
def joined(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Laid end to end along one axis; all others are one."""
    tensors = [each for each in args[0] if each.numel()]
    if not tensors:
        trace.set(out, [terms_one(size) for size in out.shape])
        return True
    at = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % tensors[0].dim()
    dims = [trace.of(each) for each in tensors]
    for others in dims[1:]:
        for number, (one, other) in enumerate(zip(dims[0], others, strict=True)):
            if number != at:
                unify(one, other)
    laid = list(dims[0])
    laid[at] = end_to_end([each[at] for each in dims])
    trace.set(out, laid)
    return True


@rule("stack")
def stacked(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A new axis, whose units differ."""
    at = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % out.dim()
    dims = [trace.of(each) for each in args[0]]
    for others in dims[1:]:
        for one, other in zip(dims[0], others, strict=True):
            unify(one, other)
    laid = list(dims[0])
    laid.insert(at, terms_one(out.shape[at]))
    trace.set(out, laid)
    return True


@rule("constant_pad_nd", "pad", "reflection_pad1d", "reflection_pad2d", "replication_pad2d")
def padded(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Longer along some axes, whose order matters then."""
    dims = trace.of(args[0])
    laid = []
    for dim, size in zip(dims, out.shape, strict=True):
        if dim.size != size:
            pin(dim, "it is padded")
        laid.append(dim if dim.size == size else terms_one(size))
    trace.set(out, laid)
    return True


@rule("unfold")
def windowed(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Windows along one axis."""
    dims = list(trace.of(args[0]))
    at = args[1] % len(dims)
    pin(dims[at], "windows of it are taken")
    dims[at] = terms_one(out.shape[at])
    trace.set(out, [*dims, terms_one(out.shape[-1])])
    return True


@rule("diagonal", "tril", "triu", "tril_", "triu_")
def ordered_pair(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """The last two axes are compared by position."""
    dims = trace.of(args[0])
    for dim in dims[-2:]:
        pin(dim, "its order matters")
    trace.set(out, [*dims[:-2], *(terms_one(size) for size in out.shape[len(dims) - 2 :])])
    return True
