"""What became of every tensor of a model: merged, kept from parent A, or rebuilt by its class."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from torch import nn

from hubmerge.fuse.subset import Subset
from hubmerge.hub.layout import TensorHeader
from hubmerge.reporting.schema.merged import TensorRecord

NUMBER = re.compile(r"(?<=\.)(?:\d+|\{[\d,-]+\})(?=\.|$)")
"""A number in a name, or several that are folded."""


def account(
    model: nn.Module,
    stored: Mapping[str, TensorHeader],
    subset: Subset,
    merges: bool = True,
    left: Collection[str] = (),
) -> TensorRecord:
    """Every tensor of `model`, and every one in the files of parent A, by what became of it.

    model: may have no values. stored: what A's files hold. subset: what is merged. merges: False,
    where nothing is, as by a fusion that takes one parent whole. left: names of tensors that the
    fusion left as A has them.
    """
    state = model.state_dict(keep_vars=True)
    first: dict[int, str] = {}
    merged, kept, rebuilt = [], [], []
    count = 0
    for name, value in state.items():
        if first.setdefault(id(value), name) != name:
            rebuilt.append(name)
        elif not (merges and value.is_floating_point() and subset.merges(name)):
            kept.append(name)
        elif name in left:
            kept.append(name)
            count += 1
        else:
            merged.append(name)
    rebuilt += [name for name, _ in model.named_buffers() if name not in state]
    if stored.keys() <= state.keys():
        return _record(merged, kept, rebuilt, count)
    known = len([name for name in stored if name in state])
    ignored = [] if known * 2 < len(stored) else [n for n in stored if _ignored(n, state, model)]
    return _record(merged, [*kept, *ignored], rebuilt, count)


def _ignored(name: str, state: Mapping[str, object], model: nn.Module) -> bool:
    """Whether a stored tensor is one that no tensor of the class is made of."""
    patterns = getattr(model, "_keys_to_ignore_on_load_unexpected", None) or []
    rebuilt = {buffer for buffer, _ in model.named_buffers()} - state.keys()
    return name in rebuilt or any(re.search(pattern, name) for pattern in patterns)


def _record(merged: list[str], kept: list[str], rebuilt: list[str], left: int) -> TensorRecord:
    stored = {*kept}
    return TensorRecord(
        count=len({*merged, *kept, *rebuilt}),
        merged=folded(merged),
        kept=folded(kept),
        left=left,
        rebuilt=folded([name for name in rebuilt if name not in stored]),
    )


def folded(names: Collection[str]) -> list[str]:
    """The names, in order; those that differ in one number are one: "h.{0-11}.mlp.weight"."""
    left = dict.fromkeys(names)
    deepest = max((len(NUMBER.findall(name)) for name in left), default=0)
    for place in range(deepest):
        groups: dict[tuple[str, str], list[int]] = {}
        order: dict[tuple[str, str] | str, None] = {}
        for name in left:
            numbers = [*NUMBER.finditer(name)]
            if place >= len(numbers):
                order[name] = None
                continue
            at = numbers[-1 - place]
            key = name[: at.start()], name[at.end() :]
            groups.setdefault(key, []).append(int(at[0]))
            order[key] = None
        left = dict.fromkeys(
            key if isinstance(key, str) else f"{key[0]}{_ranges(groups[key])}{key[1]}"
            for key in order
        )
    return list(left)


def _ranges(numbers: Iterable[int]) -> str:
    """Numbers in braces, neighbours as a range; one alone as it is."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    if parts == [[parts[0][0]]]:
        return str(parts[0][0])
    said = [f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts]
    return "{" + ",".join(said) + "}"
