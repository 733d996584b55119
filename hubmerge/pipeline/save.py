"""Save the merge as a stock checkpoint, and read it back to prove it whole."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import torch
from torch import Tensor

from hubmerge.errors import RoundTripError
from hubmerge.hub.calm import calm
from hubmerge.hub.companions import generation_file, template_files
from hubmerge.hub.fetch import needed_files
from hubmerge.hub.layout import CONFIG, GENERATION
from hubmerge.hub.load import load, outline
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.returned import return_as
from hubmerge.hub.source import Source, parse_ref
from hubmerge.models.lookup import looking_up
from hubmerge.models.states import sharing_tensors
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.fuse import FusedModel
from hubmerge.pipeline.keep_tokenizer import keep_tokenizer
from hubmerge.pipeline.load import MergeInputs
from hubmerge.pipeline.parent_layout import lay_out_like
from hubmerge.pipeline.stored_as import AS_PARENTS, StoredAs
from hubmerge.pipeline.stream import state_on_disk, write_tensors
from hubmerge.pipeline.weight_hashes import weight_hashes
from hubmerge.symmetry.laws import deviation, outputs
from hubmerge.symmetry.permutation import State
from hubmerge.tasks import probe_for

WRITTEN_ANEW = (".safetensors", ".safetensors.index.json", ".py")
"""Endings of what the merge brings itself, or never takes along from parent A."""

ROUND_TRIP_TOLERANCE = 1e-5
"""Largest relative deviation of float32 outputs between the model in memory and as reloaded."""


@dataclass(frozen=True)
class Saved:
    """The merge as reloaded from disk. hashes: file name -> sha256 of every file of weights."""

    model: LoadedModel
    hashes: Mapping[str, str]


def save(run: Run, inputs: MergeInputs, fused: FusedModel, folder: Path) -> Saved:
    """Writes the merge into `folder`, and loads it as anyone would. Called by all processes alike.

    Raises: RoundTripError, if a value does not fit into the stored dtype, or what was read back is
    not what was written; WeightsError.
    """
    parents = inputs.parents.loaded
    wanted = run.methods.stored_as
    if inputs.streamed:
        hashes = write_tensors(
            run, inputs.models, inputs.alignment.base, fused.weights, folder, fused.matches
        )
        run.workers.on_main(lambda: write_settings(folder, inputs.models, wanted))
        merge = outline(_written(folder))
        if inputs.splits is not None:
            merge.model = looking_up(merge.model, state_on_disk(merge))
        return Saved(merge, hashes)
    run.workers.on_main(lambda: write_model(folder, parents, fused.state, wanted))
    model = read_back(folder, parents, fused.state, wanted)
    return Saved(model, run.workers.on_main(lambda: weight_hashes(folder)))


def _written(folder: Path) -> Source:
    """The merge in `folder`, which is not hashed once more to be known."""
    return Source(**vars(parse_ref(str(folder))))


def write_settings(
    folder: Path, models: Sequence[LoadedModel], wanted: StoredAs = AS_PARENTS
) -> None:
    """Writes everything that is loaded beside weights; the models may have no values."""
    a = models[0]
    with calm():
        config = copy.deepcopy(a.config)
        config.architectures = [type(a.model).__name__]
        config.dtype = wanted.main_dtype(model.dtype for model in models)
        config.save_pretrained(folder)
        if a.model.can_generate():
            a.model.generation_config.save_pretrained(folder)
    _finish_folder(folder, models, wanted)


def write_model(
    folder: Path, parents: Sequence[LoadedModel], state: State, wanted: StoredAs = AS_PARENTS
) -> None:
    """Saves `state` as a checkpoint like parent A's, with A's processor beside it.

    Every tensor gets the dtype the parents store it in (the widest where they differ),
    or the one that is wanted.
    Raises: RoundTripError, if a value does not fit into it.
    """
    a = parents[0]
    holder = sharing_tensors(a.model)
    rounded = as_stored(state, parents, wanted.dtype)
    holder.load_state_dict(rounded, assign=True)
    holder.tie_weights()
    with calm():
        holder.save_pretrained(folder)
    lay_out_like(folder, list(parents), rounded, wanted)
    _finish_folder(folder, parents, wanted)


def _finish_folder(folder: Path, parents: Sequence[LoadedModel], wanted: StoredAs) -> None:
    """Says the dtype in the configuration, and brings what lies beside parent A's weights."""
    a = parents[0]
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    config["dtype"] = str(wanted.main_dtype(parent.dtype for parent in parents)).removeprefix(
        "torch."
    )
    return_as(json.loads((a.folder / CONFIG).read_text(encoding="utf-8")), config)
    text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    for name in needed_files(a.source):
        if not name.endswith(WRITTEN_ANEW) and not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(a.folder / name, folder / name)
    keep_tokenizer(folder, a)
    _add_of_others(folder, parents)


def _add_of_others(folder: Path, parents: Sequence[LoadedModel]) -> None:
    """Of the first parent that has it: how to generate, and how to lay out a chat."""
    generation = generation_file(parents)
    if generation is not None:
        shutil.copyfile(generation, folder / GENERATION)
    for name, text in template_files(parents).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def as_stored(
    tensors: State, parents: Sequence[LoadedModel], dtype: torch.dtype | None = None
) -> dict[str, Tensor]:
    """`tensors` in the dtypes that the parents store them in, the widest where these differ.

    dtype: what all of them are stored as, whatever the parents have.
    Raises: RoundTripError, if a value does not fit into it.
    """
    rounded = {}
    for name, value in tensors.items():
        if value.is_floating_point():
            wanted = [model.dtypes.get(name, model.dtype) for model in parents]
            value = value.to(dtype or reduce(torch.promote_types, wanted))
            if not torch.isfinite(value).all():
                raise RoundTripError(
                    f"the merge does not fit into {str(value.dtype).removeprefix('torch.')}",
                    found=f"{name} is not finite in it",
                    hint="convert the parents to float32 first, or use another repair",
                )
        rounded[name] = value
    return rounded


def read_back(
    folder: Path, parents: Sequence[LoadedModel], state: State, wanted: StoredAs = AS_PARENTS
) -> LoadedModel:
    """The model in `folder` loaded anew in float32, proved to be the one in memory.

    Raises: RoundTripError, if a tensor is not that of `state`, rounded to a dtype of the parents',
    or the outputs differ; WeightsError, if a key is missing, unexpected or mis-shaped.
    """
    reloaded = load(_written(folder))
    a = parents[0]
    own = {dtype for parent in parents for dtype in parent.dtypes.values()}
    dtypes = {*own, wanted.main_dtype(parent.dtype for parent in parents), torch.float32}
    found = reloaded.model.state_dict()
    for name, value in state.items():
        if not any(torch.equal(value.to(each).to(value.dtype), found[name]) for each in dtypes):
            raise _other(f"{name} is not what was written")
    inputs = _probe(a)
    if inputs is not None:
        before, after = (outputs(m, found, inputs, every=True) for m in (a.model, reloaded.model))
        moved = deviation(before, after)
        if moved > ROUND_TRIP_TOLERANCE:
            raise _other(f"outputs differ by {moved:.1e} of their size")
    return reloaded


def _probe(a: LoadedModel) -> dict[str, Tensor] | None:
    """Inputs in float32 to try models like `a` on.

    None where no task accepts it, and it does not take what its main input promises: then there is
    nothing it can be tried on, and its tensors are compared alone.
    """
    try:
        inputs = {
            name: value.float() if value.is_floating_point() else value
            for name, value in probe_for(a.model).items()
        }
        if a.task is None:
            outputs(a.model, a.model.state_dict(), inputs, every=True)
    except Exception:  # each model refuses in its own way what it does not take
        if a.task is not None:
            raise
        return None
    return inputs


def _other(found: str) -> RoundTripError:
    return RoundTripError(
        "the merge reloaded from disk is not the one that was computed",
        found=found,
        hint="please report this, with the two models",
    )
