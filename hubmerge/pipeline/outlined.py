"""Parents and results of stages as they are to be merged, but for values of tensors."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from hubmerge.hub.compare import common_head
from hubmerge.hub.describe import Description, describe
from hubmerge.hub.fetch import fetch_file, needed_files
from hubmerge.hub.headers import weights_header
from hubmerge.hub.layout import CONFIG, DTYPES, WEIGHTS
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.model_class import made_of, skeleton
from hubmerge.hub.source import Source
from hubmerge.models.joint_head import with_labels
from hubmerge.pipeline.prepare import prepared_sources, prepares
from hubmerge.pipeline.save import WRITTEN_ANEW, write_settings
from hubmerge.pipeline.sources import Sources
from hubmerge.pipeline.stages import with_results
from hubmerge.pipeline.stored_as import StoredAs
from hubmerge.preparation.write import write_headers
from hubmerge.recipe import Recipe
from hubmerge.streaming import Shards
from hubmerge.streaming.shards import Slot


@dataclass(frozen=True)
class Outlined:
    """sources: of the merge. stages: those of every stage, in their order."""

    sources: Sources
    stages: Mapping[str, Sources]


@contextmanager
def outlined(recipe: Recipe, sources: Sources) -> Iterator[Outlined]:
    """The sources with parents as they are to be merged, but for values of tensors."""
    with tempfile.TemporaryDirectory(prefix="hubmerge-") as folder:
        place, results, stages = Path(folder), dict[str, Path](), dict[str, Sources]()
        for number, (name, stage) in enumerate(recipe.stages.items()):
            given = with_results(sources.stages[name], results)
            stages[name] = _prepared(stage, given, place / f"parents-{number}")
            results[name] = place / f"stage-{number}"
            _write_result(stage, stages[name], results[name], trust=recipe.trust_remote_code)
        last = with_results(sources, results)
        yield Outlined(_prepared(recipe, last, place / "parents"), stages)


def _prepared(recipe: Recipe, sources: Sources, place: Path) -> Sources:
    if not prepares(recipe, sources):
        return sources
    return prepared_sources(recipe, sources, place, headers_only=True)


def _write_result(stage: Recipe, sources: Sources, place: Path, *, trust: bool) -> None:
    """What a stage will make, as far as headers show."""
    wanted = StoredAs.of(stage.dtype, stage.max_shard_size)
    place.mkdir(parents=True)
    write_settings(place, without_values(stage, sources.models, trust=trust), wanted)
    headers = [weights_header(source).tensors for source in sources.models]
    slots = []
    for name, header in headers[0].items():
        dtypes = [getattr(torch, DTYPES[each[name].dtype]) for each in headers if name in each]
        stored = wanted.main_dtype(dtypes) if dtypes[0].is_floating_point else dtypes[0]
        slots.append(Slot(name, stored, header.shape))
    shards = Shards.as_in(dict.fromkeys(headers[0], WEIGHTS), slots)
    write_headers(place / WEIGHTS, shards.files[WEIGHTS])


def without_values(recipe: Recipe, sources: Sequence[Source], *, trust: bool) -> list[LoadedModel]:
    """The parents as they are saved, but for values of tensors."""
    described = [describe(source, trust_remote_code=trust) for source in sources]
    heads = common_head(recipe.heads, described)
    return [_outline(each, heads.outputs if heads else None, trust) for each in described]


def _outline(description: Description, labels: Sequence[str] | None, trust: bool) -> LoadedModel:
    source, config = description.source, description.config
    with made_of(description):
        model = skeleton(
            config if labels is None else with_labels(config, labels), description.code_folder
        )
    for name in needed_files(source, code=trust):
        if not name.endswith(WRITTEN_ANEW):
            fetch_file(source, name)
    header = description.header or weights_header(source)
    dtype: torch.dtype = getattr(torch, header.dtype)
    folder = source.folder or fetch_file(source, CONFIG).parent
    return LoadedModel(
        source=source,
        model=model,
        processor=description.processor,
        dtype=dtype,
        dtypes={},
        folder=folder,
        tokenizer=description.tokenizer,
    )
