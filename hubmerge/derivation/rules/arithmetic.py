"""Operations that work unit by unit, reduce an axis, or contract two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from hubmerge.derivation.terms import Term, pin, unify
from hubmerge.derivation.trace import Trace, along, rule, terms_one

UNIT_BY_UNIT = [
    "abs",
    "add",
    "add_",
    "alias",
    "atan2",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "celu",
    "ceil",
    "clamp",
    "clamp_",
    "clamp_max",
    "clamp_min",
    "clamp_min_",
    "clone",
    "contiguous",
    "copy",
    "copy_",
    "cos",
    "detach",
    "div",
    "div_",
    "dropout",
    "elu",
    "elu_",
    "eq",
    "erf",
    "exp",
    "exp_",
    "expm1",
    "fill",
    "fill_",
    "floor",
    "floor_divide",
    "fmod",
    "full_like",
    "ge",
    "gelu",
    "gt",
    "hardsigmoid",
    "hardsigmoid_",
    "hardswish",
    "hardswish_",
    "hardtanh",
    "hardtanh_",
    "isinf",
    "isnan",
    "isneginf",
    "le",
    "leaky_relu",
    "leaky_relu_",
    "lerp",
    "lift_fresh",
    "log",
    "log1p",
    "log_sigmoid_forward",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "masked_fill",
    "masked_fill_",
    "maximum",
    "minimum",
    "mish",
    "mul",
    "mul_",
    "nan_to_num",
    "native_dropout",
    "ne",
    "neg",
    "ones_like",
    "pow",
    "rand_like",
    "randn_like",
    "reciprocal",
    "relu",
    "relu_",
    "remainder",
    "round",
    "rsqrt",
    "rsub",
    "sigmoid",
    "sigmoid_",
    "sign",
    "silu",
    "silu_",
    "sin",
    "softplus",
    "sqrt",
    "square",
    "sub",
    "sub_",
    "tanh",
    "tanh_",
    "threshold",
    "to",
    "_to_copy",
    "where",
    "zero_",
    "zeros_like",
    "empty_like",
    "addcmul",
    "addcdiv",
    "trunc",
    "bernoulli_",
    "bernoulli",
    "uniform_",
    "normal_",
    "threshold_",
    "sinc",
    "logaddexp",
    "xlogy",
    "scalar_tensor",
    "sgn",
    "exp2",
    "log2",
    "relu6",
    "div_Scalar",
    "prelu",
    "_prelu_kernel",
    "logit",
]

KEPT = frozenset(
    ["alias", "clone", "contiguous", "detach", "dropout", "lift_fresh", "to", "_to_copy", "copy"]
)
"""Those of them that return what they were given."""


@rule(*UNIT_BY_UNIT)
def unit_by_unit(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Equal lengths, counted from the last axis, are one."""
    made = out[0] if isinstance(out, tuple) else out
    given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    if isinstance(out, tuple):
        for extra in out[1:]:
            if isinstance(extra, Tensor) and extra.shape == made.shape:
                trace.set(extra, along(trace, given, made))
    trace.set(made, along(trace, given, made))
    return True


for _name in KEPT:

    @rule(_name)
    def kept(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
        """The same tensor, stored elsewhere."""
        trace.set(out, trace.of(args[0]))
        trace.passes(args[0], out)
        return True


@rule("mean", "sum", "amax", "amin", "var", "std", "prod", "any", "all", "logsumexp", "max", "min")
def reduced(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Reduced axes are gone, or of length 1: no order matters to them."""
    dims = trace.of(args[0])
    over = args[1] if len(args) > 1 else kwargs.get("dim")
    if isinstance(over, Tensor):
        return False
    made = out[0] if isinstance(out, tuple) else out
    if over is None or over == [] or isinstance(over, bool):
        trace.set(made, [terms_one() for _ in made.shape])
        return True
    gone = {each % len(dims) for each in ([over] if isinstance(over, int) else over)}
    kept = made.dim() == len(dims)
    left = [
        terms_one() if number in gone else dim
        for number, dim in enumerate(dims)
        if kept or number not in gone
    ]
    if isinstance(out, tuple):  # values, and positions along what was reduced
        for number in gone:
            pin(dims[number], "positions along it are looked up")
        for each in out:
            trace.set(each, left)
        return True
    trace.set(made, left)
    if args[0].dim() and kwargs.get("correction") is None:
        trace.passes(args[0], made)
    return True


@rule("argmax", "argmin")
def looked_up(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A position along an axis depends on its order."""
    dims = trace.of(args[0])
    over = args[1] if len(args) > 1 else kwargs.get("dim")
    for number, dim in enumerate(dims):
        if over is None or number == over % len(dims):
            pin(dim, "positions along it are looked up")
    trace.set(out, [terms_one(size) for size in out.shape])
    return True


@rule("linalg_vector_norm", "norm")
def vector_norm(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """As other reductions; the axes are the third argument."""
    over = args[2] if len(args) > 2 else kwargs.get("dim")
    return reduced(trace, (args[0], over), {}, out)


@rule("softmax", "_softmax", "_safe_softmax", "_log_softmax", "log_softmax")
def softmax(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """The order of what is normalised together does not matter."""
    trace.set(out, trace.of(args[0]))
    return True


@rule("cumsum", "cumprod", "sort", "topk", "flip", "roll", "cummax", "logcumsumexp", "argsort")
def ordered(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Along one axis, or some, the order matters; the others are left alone."""
    dims = trace.of(args[0])
    results = out if isinstance(out, tuple) else (out,)
    named = [each for each in (*args[1:], *kwargs.values()) if isinstance(each, int | list | tuple)]
    changed = {n for each in results for n, d in enumerate(dims) if each.shape[n] != d.size}
    over: set[int] = set(changed)
    for each in named:
        for number in [each] if isinstance(each, int) else each:
            if isinstance(number, int) and not isinstance(number, bool):
                over.add(number % len(dims))
    if not named:
        over.add(len(dims) - 1)
    for number in over:
        pin(dims[number], "its order matters")
    for each in results:
        trace.set(each, [terms_one(each.shape[n]) if n in over else d for n, d in enumerate(dims)])
    return True


@rule("mm", "bmm", "mv", "dot")
def matrix_product(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """[.., k] times [k, n]: k is one axis."""
    left, right = trace.of(args[0]), trace.of(args[1])
    inner = right[0] if len(right) == 1 else right[-2]
    unify(left[-1], inner)
    if len(left) == 3:
        unify(left[0], right[0])
    for tensor in args[:2]:
        trace.contracted(tensor, inner)
    trace.set(out, [*left[:-1], *([] if len(right) == 1 else [right[-1]])])
    return True


@rule("addmm", "baddbmm")
def added_product(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A product, and what is added to it."""
    left, right = trace.of(args[1]), trace.of(args[2])
    unify(left[-1], right[-2])
    if len(left) == 3:
        unify(left[0], right[0])
    for tensor in args[1:3]:
        trace.contracted(tensor, right[-2])
    trace.set(out, [*left[:-1], right[-1]])
    along(trace, [out, args[0]], out)
    return True


def constant(size: int) -> Term:
    """The term of an axis along which all values are the same: any order of it will do."""
    return Term(size)


@rule("zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty")
def constants(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """The same value everywhere."""
    trace.set(out, [constant(size) for size in out.shape])
    return True
