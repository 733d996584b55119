"""Merge tensor by tensor, where no step needs a whole model: its size is limited by the disk."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge import __version__
from hubmerge.derivation.twin import make_twin, on_meta
from hubmerge.errors import (
    DerivationError,
    FamilyError,
    HubmergeError,
    ResourceError,
    RoundTripError,
)
from hubmerge.fuse import Fused, Fusion, Given
from hubmerge.fuse.varying import depths_of
from hubmerge.hub.describe import describe
from hubmerge.hub.fetch import fetch
from hubmerge.hub.load import outline, stored_in
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.model_class import skeleton
from hubmerge.matching import Match
from hubmerge.models.lookup import looking_up
from hubmerge.pipeline.context import Run
from hubmerge.planning.streams import streams
from hubmerge.recipe import ARITHMETIC
from hubmerge.streaming import Checkpoint, Permuted, Shards, Work, stream_fusion, write_index
from hubmerge.streaming.fuse import PIECE, finite
from hubmerge.streaming.kept import forget, kept_at, move_in, note, place_of, whole_shards
from hubmerge.streaming.shards import STORED_AS
from hubmerge.symmetry.laws import outputs
from hubmerge.symmetry.on_demand import OnDemand
from hubmerge.symmetry.permutation import State
from hubmerge.tasks import has_classes
from hubmerge.utils.foreign import is_full, said


def outlines(run: Run) -> list[LoadedModel] | None:
    """Parents, and their base, without values; None where the merge needs whole models.

    Called by all processes alike. Raises: as `outline`.
    """
    fusion = run.methods.fusion
    if fusion is None or not fusion.tensorwise:
        return None
    sources = run.sources.all_models
    folders = [run.workers.on_main(partial(fetch, source)) for source in sources]
    model = skeleton(describe(sources[0]).config)
    if not streams(run.recipe, run.methods, model, [stored_in(folder) for folder in folders]):
        return None
    models = [outline(source) for source in sources]
    if run.methods.needs_spec and not _has_twin(models[0].model):
        return None
    if run.sources.dataset is not None and not says_the_same(models[0].model):
        return None
    return models if run.recipe.align_labels == "index" or _labelled_alike(models) else None


def _has_twin(model: PreTrainedModel) -> bool:
    """Whether a small model can stand for it where its spec is proved."""
    try:
        make_twin(model.config, type(model))
    except (DerivationError, FamilyError):
        return False
    return True


def says_the_same(model: PreTrainedModel) -> bool:
    """Whether a small model of its kind, whose tensors are looked up, says what it says whole."""
    try:
        twin = make_twin(model.config, type(model))
    except (DerivationError, FamilyError):
        return False
    assert isinstance(twin.model, PreTrainedModel)
    bones = on_meta(type(model), twin.config).double()
    lent = looking_up(bones, twin.model.state_dict())
    whole, looked_up = (outputs(m, {}, twin.inputs, every=True) for m in (twin.model, lent))
    return torch.equal(whole, looked_up)


def states_on_disk(models: Sequence[LoadedModel]) -> list[State]:
    """What the models hold, in float32, by the names of their tensors, each read as it is used."""
    return [state_on_disk(model) for model in models]


def state_on_disk(model: LoadedModel) -> State:
    """What a model without values holds on disk, as `states_on_disk`."""
    checkpoint = Checkpoint(model.folder, model.source.ref)
    parameters = dict(model.model.named_parameters(remove_duplicate=False))
    stored = {id(parameters[name]): name for name in checkpoint if name in parameters}

    def part(name: str, start: int, size: int) -> Tensor:
        there = name if name in checkpoint.headers else stored[id(parameters[name])]
        value = finite(checkpoint.part(there, start, size), checkpoint, there)
        return value.float() if value.is_floating_point() else value

    def read(name: str) -> Tensor:
        shape = shapes[name]
        first = part(name, 0, min(PIECE, shape.numel()))
        if len(first) == shape.numel():
            return first.view(shape)
        # Of numpy, which asks for large pages: a system takes longer to hand out small ones.
        whole = torch.from_numpy(np.empty(shape.numel(), str(first.dtype).removeprefix("torch.")))
        whole[: len(first)] = first
        for start in range(PIECE, len(whole), PIECE):
            size = min(PIECE, len(whole) - start)
            whole[start : start + size] = part(name, start, size)
        return whole.view(shape)

    shapes = {name: value.shape for name, value in model.model.state_dict().items()}
    state = OnDemand([*shapes], read, part)
    weakref.finalize(state, checkpoint.close)
    return state


def _labelled_alike(models: Sequence[LoadedModel]) -> bool:
    """Whether the models have their classes in one order, if they have any."""
    if not has_classes(models[0].config):
        return True
    return all(model.id2label == models[0].id2label for model in models)


def fused_later(fusion: Fusion, weights: Sequence[float], given: Given) -> Fused:
    """What `fusion` decides on the weights, without the tensors, which are made as they are saved.

    weights: of the parents.
    """
    nothing = {"": torch.zeros(1)}
    base = nothing if fusion.needs_base else None
    own = Given(base=base, seed=given.seed, options=given.options)
    made = fusion.of_one_tensor([nothing] * len(weights), weights, own)
    return Fused({}, made.weights)


def write_tensors(
    run: Run,
    models: Sequence[LoadedModel],
    base: LoadedModel | None,
    weights: Sequence[float],
    folder: Path,
    matches: Sequence[Match] = (),
) -> dict[str, str]:
    """Fuses the models on disk into the shards of a checkpoint in `folder`, laid out like A's.

    Called by all processes alike, which share the shards. Shards that are whole are kept beside the
    target until the merge is made, so that one that was stopped goes on from them. matches: what
    brings the models after A into its order. Returns file name -> sha256.
    Raises: WeightsError, if a parent is not finite, or changes meanwhile; RoundTripError, if a
    value does not fit into the stored dtype, or what lies on disk is not what was written;
    ResourceError, if the disk is full.
    """
    wanted = run.methods.stored_as
    with ExitStack() as open_files:
        work = _work(run, models, base, weights, matches, open_files)
        shards = wanted.shards(work.slots(), work.parents[0].file_of)
        place = run.workers.on_main(lambda: _place(run, shards, folder, open_files))
        with _saying_what_is_kept(place, folder, shards):
            found = run.workers.on_main(
                lambda: {} if place == folder else whole_shards(place, shards)
            )
            left = [file for file in shards.files if file not in found]
            shares = shards.dealt(left, run.workers.processes)

            def written(process: int) -> dict[str, str]:
                mine = shards.only(shares[process])
                whole = partial(note, place) if place != folder else _nothing_to_note
                return stream_fusion(work, mine, place, run.workers.threads, whole)

            for share in run.workers.everywhere(written):
                found |= share
        run.workers.on_main(lambda: _finish(place, shards, folder))
    return {file: found[file] for file in shards.files}


def _work(
    run: Run,
    models: Sequence[LoadedModel],
    base: LoadedModel | None,
    weights: Sequence[float],
    matches: Sequence[Match],
    open_files: ExitStack,
) -> Work:
    assert run.methods.fusion is not None

    def opened(model: LoadedModel) -> Checkpoint:
        return open_files.enter_context(Checkpoint(model.folder, model.source.ref))

    def brought(model: LoadedModel, match: Match) -> Checkpoint:
        return open_files.enter_context(
            Permuted(model.folder, model.source.ref, match.spec, match.permutation)
        )

    first, *others = models
    moved = map(brought, others, matches) if matches else map(opened, others)
    parents = (opened(first), *moved)
    return Work(
        fusion=run.methods.fusion,
        parents=parents,
        base=None if base is None else opened(base),
        weights=tuple(weights),
        given=Given(
            seed=run.recipe.seed,
            options=run.recipe.fuse_options,
            depths=depths_of(parents[0]),
        ),
        subset=run.methods.subset.of_model(models[0].model),
        dtype=run.methods.stored_as.dtype,
        device=run.workers.fuses_on,
    )


def _place(run: Run, shards: Shards, folder: Path, until: ExitStack) -> Path:
    """Where shards are written: a folder that outlives this process, or `folder` itself.

    until: what the folder is held by. A single file is not kept: it is whole at the end alone.
    """
    target = run.out.absolute()
    device = run.workers.fuses_on.type
    words = f"{ARITHMETIC} {__version__} {device}\n{run.written.to_yaml()}\n{shards.index()}"
    place = place_of(target, words)
    forget(target, but=place)
    if len(shards.files) == 1 or not until.enter_context(kept_at(place)):
        return folder
    return place


def _nothing_to_note(file: str, sha256: str) -> None:
    pass


@contextmanager
def _saying_what_is_kept(place: Path, folder: Path, shards: Shards) -> Iterator[None]:
    """Raises: ResourceError, which says what is whole, where the disk is full inside.

    After an error that the same merge would end in again nothing is kept.
    """
    try:
        yield
    except ResourceError:
        raise
    except HubmergeError:
        if place != folder:
            shutil.rmtree(place, ignore_errors=True)
        raise
    except OSError as error:
        if not is_full(error):
            raise
        whole = sum((place / file).is_file() for file in shards.files)
        kept = place != folder and whole > 0
        raise ResourceError(
            f"no disk space for {shards.nbytes:,} bytes of weights in {str(place.parent)!r}",
            found=f"{whole} of {len(shards.files)} files are whole"
            + (f", and kept in {place.name}" if kept else "")
            + f"; {said(error)}",
            hint="make room and give the same command again: it goes on from there"
            if kept
            else "make room, or write to another disk",
        ) from error


def _finish(place: Path, shards: Shards, folder: Path) -> None:
    """Brings the shards into `folder`, with their index. Raises: RoundTripError."""
    if place != folder:
        move_in(place, shards, folder)
    write_index(shards, folder)
    stored = {name: (each.dtype, each.shape) for name, each in stored_in(folder).items()}
    written = {
        slot.name: (STORED_AS[slot.dtype], tuple(slot.shape))
        for slots in shards.files.values()
        for slot in slots
    }
    if stored != written:
        wrong = sorted(
            name for name in {*stored, *written} if stored.get(name) != written.get(name)
        )
        raise RoundTripError(
            "weights on disk are not what was written",
            found=", ".join(wrong[:5]),
            hint="the disk or its file system is damaged: write to another one",
        )
