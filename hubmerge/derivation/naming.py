"""Names a person would give: of spaces by where they stand, of fixed axes by their field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hubmerge.derivation.axes import Expression, Leaf, Product, leaves
from hubmerge.derivation.fields import Fields
from hubmerge.derivation.trace import ANSWER, DATA

QUERY = re.compile(r"(^|[._])(q|query|k|key|c_attn|qkv|query_key_value|Wqkv|in_proj|q_lin|k_lin)")
VALUE = re.compile(r"(^|[._])(v|value|o|out|dense|c_proj|v_lin|out_lin)(_proj|_lin)?([._]|$)")
FORWARD = re.compile(r"mlp|ffn|fc|ff|intermediate|feed|wi|wo|DenseRelu|experts|pwconv|lin1|lin2")
STAGE = re.compile(r"(?:stages?|blocks?|layers?|block)\.(\d+)")
TOWERS = ("text", "vision", "audio", "encoder", "decoder", "backbone")
FIELDS = {
    "vocab_size": "vocab",
    "num_labels": "label",
    "max_position_embeddings": "place",
    "type_vocab_size": "kind",
    "num_channels": "channel",
    "n_positions": "place",
}


def space_name(leaf: Leaf, lines: Mapping[str, Sequence[Expression]], shared: bool) -> str:
    """What a free leaf is called, by the tensors it runs along.

    lines: those tensors, with their axes.
    """
    outer = inner = plain = 0
    beside: set[tuple[int, ...]] = set()
    for axes in lines.values():
        for axis in axes:
            for product in _products(axis):
                places = [k for k, part in enumerate(product.parts) if leaf in leaves(part)]
                if places and places[0] == 0:
                    outer += 1
                    beside.add(tuple(id(part) for part in product.parts[1:]))
                elif places:
                    inner += 1
            plain += axis == leaf
    text = " ".join(lines)
    for name, axes in lines.items():
        if "expert" in name and len(axes) > 2 and leaf in leaves(axes[0]):
            grouped = isinstance(axes[0], Product) and leaf in leaves(axes[0].parts[0])
            return "group" if grouped else "expert"
    if outer and not inner:
        return "head" if not _ratio(leaf, lines) else "kv"
    if inner and not plain:
        last = any(_last(leaf, axis) for axes in lines.values() for axis in axes)
        if not last:
            return "q"
        writes = [name for name in lines if QUERY.search(name)]
        return "qk" if len(writes) * 2 > len(lines) else "vo"
    if shared:
        tower = next((t for t in TOWERS if all(t in name for name in lines)), "")
        stages = {found[1] for name in lines if (found := STAGE.search(name))}
        if len(stages) == 1 and not tower:
            return f"stage_{stages.pop()}"
        return f"{tower}_resid" if tower else "resid"
    return "ff" if FORWARD.search(text) else "mid"


def _products(axis: Expression) -> list[Product]:
    if isinstance(axis, Leaf):
        return []
    inside = [each for part in axis.parts for each in _products(part)]
    return [axis, *inside] if isinstance(axis, Product) else inside


def _ratio(leaf: Leaf, lines: Mapping[str, Sequence[Expression]]) -> bool:
    """Whether some products with `leaf` have three factors: a group, its queries, the inside."""
    lengths = {
        len(product.parts)
        for axes in lines.values()
        for axis in axes
        for product in _products(axis)
        if leaf in leaves(product.parts[0])
    }
    return len(lengths) > 1


def _last(leaf: Leaf, axis: Expression) -> bool:
    return any(leaf in leaves(product.parts[-1]) for product in _products(axis))


def fixed_name(leaf: Leaf, fields: Fields, length: int | None) -> str:
    """What a fixed leaf is called. length: in the real model, where it is known."""
    path = fields.of(leaf.size, length)
    last = (path or "").rpartition(".")[2]
    why = leaf.why or ""
    rows = "looked up" in why or why == ANSWER or last == "num_channels"
    if path is not None and rows and last in FIELDS and length in (None, fields.real(path)):
        return FIELDS[last]
    if "looked up" in why:
        return "row"
    if "window" in why:
        return "window"
    return "output" if why == ANSWER else "rot" if why == DATA else "still"


def distinct(name: str, taken: Mapping[str, object]) -> str:
    """`name`, numbered where it is taken."""
    if name not in taken:
        return name
    return next(f"{name}_{n}" for n in range(2, 9999) if f"{name}_{n}" not in taken)
