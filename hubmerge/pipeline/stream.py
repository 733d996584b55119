"""Merge tensor by tensor, where no step needs a whole model: its size is limited by the disk."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from hubmerge.errors import RoundTripError
from hubmerge.fuse import Fused, Fusion, Given
from hubmerge.fuse.varying import depths_of
from hubmerge.hub.describe import describe
from hubmerge.hub.fetch import fetch
from hubmerge.hub.load import outline, stored_in
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.model_class import skeleton
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.weight_hashes import weight_hashes
from hubmerge.planning.streams import streams
from hubmerge.streaming import Checkpoint, Work, stream_fusion
from hubmerge.tasks import has_classes


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
    return models if run.recipe.align_labels == "index" or _labelled_alike(models) else None


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
) -> None:
    """Fuses the models on disk into the shards of a checkpoint in `folder`, laid out like A's.

    Raises: WeightsError, if a parent is not finite; RoundTripError, if a value does not fit into
    the stored dtype, or what lies on disk is not what was written.
    """
    assert run.methods.fusion is not None
    wanted = run.methods.stored_as
    with ExitStack() as open_files:

        def opened(model: LoadedModel) -> Checkpoint:
            return open_files.enter_context(Checkpoint(model.folder, model.source.ref))

        parents = tuple(map(opened, models))
        work = Work(
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
            dtype=wanted.dtype,
        )
        shards = wanted.shards(work.slots(), parents[0].file_of)
        written = stream_fusion(work, shards, folder, run.workers.threads)
    on_disk = weight_hashes(folder)
    if on_disk != written:
        raise RoundTripError(
            "weights on disk are not what was written",
            found=", ".join(name for name in written if on_disk.get(name) != written[name]),
            hint="the disk or its file system is damaged: write to another one",
        )
