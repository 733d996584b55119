"""What lies beside the weights, judged without weights: as the parents' own files give it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from hubmerge.errors import HubmergeError, HubUnavailableError, RemoteCodeError, ResourceError
from hubmerge.hub.compare import common_head
from hubmerge.hub.describe import Description, describe
from hubmerge.hub.fetch import fetch_file, needed_files
from hubmerge.hub.headers import weights_header
from hubmerge.hub.layout import CONFIG, INDEX
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.model_class import made_of, skeleton
from hubmerge.hub.source import Source
from hubmerge.models.joint_head import with_labels
from hubmerge.pipeline.prepare import outlined
from hubmerge.pipeline.save import WRITTEN_ANEW, write_settings
from hubmerge.pipeline.sources import pin_sources
from hubmerge.pipeline.stored_as import StoredAs
from hubmerge.recipe import Recipe
from hubmerge.utils.parent_names import roles
from hubmerge.verification.download import Merge
from hubmerge.verification.files import check_files
from hubmerge.verification.remade import not_checked
from hubmerge.verification.result import Check, Outcome
from hubmerge.verification.sources import FoundSources

SETTINGS = "configuration"
"""The part of a verification that they are in."""


def check_settings(merge: Merge, wanted: Recipe, found: FoundSources) -> list[Check]:
    """Whether configurations, processor, tokenizer, chat templates and whatever else is loaded are
    those that the parents' files give; their weights stay where they are.

    Raises: HubUnavailableError, ResourceError; RemoteCodeError, if a parent takes code that may not
    be run.
    """
    models = roles("model", len(wanted.models))
    if gone := [found.gone[role] for role in models if role in found.gone]:
        return not_checked((SETTINGS,), "; ".join(gone))
    place = Path(tempfile.mkdtemp(prefix="hubmerge-verify-"))
    try:
        with outlined(wanted, pin_sources(wanted)) as sources:
            parents = _without_values(wanted, sources.models)
            write_settings(place, parents, StoredAs.of(wanted.dtype, wanted.max_shard_size))
        return check_files(merge, place, alignment=False, besides=(INDEX,))
    except (HubUnavailableError, ResourceError, RemoteCodeError):
        raise
    except HubmergeError as error:
        why = f"they cannot be made from what is recorded: {error}"
        return [Check(part=SETTINGS, what="all", outcome=Outcome.DOES_NOT_HOLD, why=why)]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _without_values(wanted: Recipe, sources: Sequence[Source]) -> list[LoadedModel]:
    """The parents as they are saved, but for values of tensors."""
    trust = wanted.trust_remote_code
    described = [describe(source, trust_remote_code=trust) for source in sources]
    heads = common_head(wanted.heads, described)
    return [_outlined(each, heads.outputs if heads else None, trust) for each in described]


def _outlined(description: Description, labels: Sequence[str] | None, trust: bool) -> LoadedModel:
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
