"""Layers that ATen knows as one operation: embeddings, norms, convolutions, pools, attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from hubmerge.derivation.terms import pin, product, regroup, unify
from hubmerge.derivation.trace import Trace, rule, terms_one


@rule("embedding")
def embedded(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Rows that are looked up."""
    rows, units = trace.of(args[0])
    pin(rows, "rows of it are looked up")
    trace.set(out, [*trace.of(args[1]), units])
    return True


@rule("native_layer_norm")
def layer_norm(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Normalised over the last axes, which gain and bias run along."""
    dims = trace.of(args[0])
    for tensor in args[2:4]:
        if tensor is not None:
            for one, other in zip(trace.of(tensor), dims[-len(args[1]) :], strict=True):
                unify(one, other)
    trace.centres()
    trace.set(out[0], dims)
    return True


@rule("_fused_rms_norm", "rms_norm")
def rms_norm(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """As a layer norm that subtracts nothing."""
    dims = trace.of(args[0])
    if args[2] is not None:
        unify(trace.of(args[2])[-1], dims[-1])
    trace.set(out[0] if isinstance(out, tuple) else out, dims)
    return True


@rule(
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training",
    "batch_norm",
    "cudnn_batch_norm",
    "_batch_norm_with_update",
    "_batch_norm_no_update",
)
def batch_norm(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Every unit by statistics of its own."""
    dims = trace.of(args[0])
    for tensor in args[1:5]:
        if isinstance(tensor, Tensor):
            unify(trace.of(tensor)[0], dims[1])
    trace.set(out[0] if isinstance(out, tuple) else out, dims)
    return True


@rule("native_group_norm", "group_norm")
def group_norm(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Normalised within groups: these may be reordered, and the units of all alike."""
    dims = trace.of(args[0])
    groups = args[6] if len(args) > 6 else args[1]
    if 1 < groups < dims[1].size:
        regroup([dims[1]], [groups, dims[1].size // groups])
    for tensor in args[1:3]:
        if isinstance(tensor, Tensor):
            unify(trace.of(tensor)[0], dims[1])
    trace.set(out[0] if isinstance(out, tuple) else out, dims)
    return True


@rule("_weight_norm_interface")
def weight_norm(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A direction, and its length along one axis."""
    direction, length, at = trace.of(args[0]), trace.of(args[1]), args[2] if len(args) > 2 else 0
    unify(direction[at], length[at])
    trace.set(out[0], direction)
    trace.passes(args[0], out[0])
    return True


@rule("convolution", "_convolution", "mkldnn_convolution", "conv2d", "conv1d")
def convolved(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Units in and out; groups may be reordered, and the units of all alike."""
    source, weight = trace.of(args[0]), trace.of(args[1])
    transposed, groups = bool(args[6]), args[8]
    for dim in (*weight[2:], *source[2:]):
        pin(dim, "a window of the data")
    written, read = (weight[1], weight[0]) if transposed else (weight[0], weight[1])
    made = written
    if groups == 1:
        unify(source[1], read)
        trace.contracted(args[1], read)
    elif groups == args[0].shape[1] == args[1].shape[0] and args[1].shape[1] == 1:
        unify(source[1], weight[0])
    else:
        inside = regroup([source[1]], [groups, source[1].size // groups])
        if transposed:
            whole = regroup([weight[0]], [groups, weight[0].size // groups])
            if inside is None or whole is None:
                return False
            unify(source[1], weight[0])
            made = product([whole[0], weight[1]])
        else:
            over = regroup([weight[0]], [groups, weight[0].size // groups])
            if inside is None or over is None:
                return False
            unify(inside[0], over[0])
            unify(inside[1], weight[1])
            trace.contracted(args[1], weight[1])
    if args[2] is not None:
        unify(trace.of(args[2])[0], made)
    trace.set(out, [source[0], made, *(terms_one(size) for size in out.shape[2:])])
    return True


@rule(
    *[
        "avg_pool1d",
        "avg_pool2d",
        "avg_pool3d",
        "max_pool1d",
        "max_pool2d",
        "max_pool2d_with_indices",
        "max_pool3d_with_indices",
        "_adaptive_avg_pool2d",
        "_adaptive_avg_pool3d",
        "adaptive_max_pool2d",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "upsample_bilinear2d",
        "upsample_nearest2d",
        "upsample_bicubic2d",
        "_upsample_bilinear2d_aa",
        "_upsample_bicubic2d_aa",
        "upsample_nearest1d",
        "upsample_linear1d",
        "upsample_trilinear3d",
        "mkldnn_max_pool2d",
        "grid_sampler_2d",
    ]
)
def pooled(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Every unit by itself, over windows of the data."""
    dims = trace.of(args[0])
    for dim in dims[2:]:
        pin(dim, "a window of the data")
    for made in out if isinstance(out, tuple) else (out,):
        trace.set(made, [*dims[:2], *(terms_one(size) for size in made.shape[2:])])
    return True


@rule(
    *[
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_attention_math",
        "_scaled_dot_product_attention_math_for_mps",
        "scaled_dot_product_attention",
    ]
)
def attention(trace: Trace, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Queries and keys share heads and insides, values bring their own insides."""
    query, key, value = (trace.of(each) for each in args[:3])
    if any(q.size != k.size for q, k in zip(query[:-2], key[:-2], strict=True)):
        return False
    for one, other, third in zip(query[:-2], key[:-2], value[:-2], strict=True):
        unify(one, other)
        unify(one, third)
    unify(query[-1], key[-1])
    unify(key[-2], value[-2])
    made = out[0] if isinstance(out, tuple) else out
    trace.set(made, [*query[:-1], value[-1]])
    mask = kwargs.get("attn_mask", args[3] if len(args) > 3 else None)
    if isinstance(mask, Tensor):
        for dim in trace.of(mask)[-2:]:
            pin(dim, "positions of the data")
        if mask.dim() == 4 and mask.shape[1] == args[0].shape[1]:
            unify(trace.of(mask)[1], query[1])
    return True
