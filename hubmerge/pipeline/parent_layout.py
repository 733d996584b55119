"""A checkpoint laid out as parent A's: the same names in the same files, each in its dtype."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from hubmerge.hub.layout import DTYPES, INDEX
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.stored_names import became, without_counters
from hubmerge.pipeline.stored_as import AS_PARENTS, StoredAs
from hubmerge.streaming import Checkpoint
from hubmerge.streaming.shards import METADATA, Slot
from hubmerge.symmetry.permutation import State
from hubmerge.utils.tensor_files import store


def lay_out_like(
    folder: Path,
    parents: list[LoadedModel],
    state: State,
    wanted: StoredAs = AS_PARENTS,
) -> None:
    """Writes the weights in `folder` once more, as the first parent lays out its own.

    folder: as `save_pretrained` left it. state: its tensors by their names in the model, rounded
    to the dtypes they are stored in. wanted: what was asked for, whatever the parents have. Where
    the parent's names do not cover all of the model, as where it has a head that the parent lacks,
    the layout stays as it is.
    """
    a = parents[0]
    files = {path.name: load_file(path) for path in sorted(folder.glob("*.safetensors"))}
    tensors = {name: tensor for inside in files.values() for name, tensor in inside.items()}
    file_of: Mapping[str, str] = {n: file for file, inside in files.items() for n in inside}
    if a.stored:
        with Checkpoint(a.folder, a.source.ref) as own:
            found = _by_names_of(own, tensors, a, state)
            if found is not None:
                tensors = {n: _in_dtype_of(n, v, parents, wanted.dtype) for n, v in found.items()}
                file_of = own.file_of
    for path in (*folder.glob("*.safetensors"), folder / INDEX):
        path.unlink(missing_ok=True)
    slots = [Slot(name, value.dtype, tuple(value.shape)) for name, value in tensors.items()]
    shards = wanted.shards(slots, file_of)
    for file, held in shards.files.items():
        store({slot.name: tensors[slot.name] for slot in held}, folder / file, METADATA)
    index = shards.index()
    if index is not None:
        (folder / INDEX).write_text(index, encoding="utf-8")


def _by_names_of(
    own: Checkpoint, written: Mapping[str, Tensor], a: LoadedModel, state: State
) -> dict[str, Tensor] | None:
    """The tensors by the names that parent A stores them by; None if these do not cover all.

    What A stores and its class does not take is A's.
    """
    left = without_counters(written.keys() - own.headers.keys())
    missing = own.headers.keys() - written.keys()
    others: Mapping[str, str] = {}
    if left or missing - state.keys():
        others = became(a.model, a.config, own.headers)
    found: dict[str, Tensor] = {}
    for name in own:
        if name in written:
            found[name] = written[name]
        elif others.get(name, name) in state:
            found[name] = state[others.get(name, name)]
        else:
            found[name] = own[name]
    held = {others.get(name, name) for name in own}
    unheld = [name for name in left if not _held(name, held, a.model)]
    return None if unheld else found


def _held(name: str, held: set[str], model: Any) -> bool:
    """Whether the model's tensor of that name is stored, by this name or one it is tied to."""
    own = model.state_dict(keep_vars=True)
    if name not in own:
        return False
    return any(own[other] is own[name] for other in held if other in own)


def _in_dtype_of(
    name: str, value: Tensor, parents: list[LoadedModel], dtype: torch.dtype | None
) -> Tensor:
    """A tensor that the class splits or stacks, in the dtype that the parents store it in."""
    if not value.is_floating_point():
        return value
    if dtype is not None:
        return value.to(dtype)
    stored = [parent.stored[name].dtype for parent in parents if name in parent.stored]
    kept: list[torch.dtype] = [getattr(torch, DTYPES[dtype]) for dtype in stored]
    kept = [dtype for dtype in kept if dtype.is_floating_point]
    return value.to(reduce(torch.promote_types, kept)) if kept else value
