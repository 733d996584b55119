"""Parents written anew where a recipe asks for others than there are, and removed at the end."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import psutil

from hubmerge.errors import TargetError
from hubmerge.fuse import find_fusion
from hubmerge.hub.source import Source
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.sources import Sources
from hubmerge.preparation.adapters.apply import with_adapters
from hubmerge.preparation.dequantise import dequantised
from hubmerge.preparation.layers import stacked, with_layers
from hubmerge.preparation.vocabularies import with_one_vocabulary
from hubmerge.recipe import PASSTHROUGH, Recipe
from hubmerge.utils.foreign import said


def prepares(recipe: Recipe, sources: Sources) -> bool:
    """Whether parents are merged otherwise than as they are stored."""
    whole = all(source.is_whole for source in sources.all_models)
    asked = recipe.tokenizer is not None or recipe.chat_template is not None
    return asked or not whole or recipe.fuse == PASSTHROUGH or recipe.dequantize


@contextmanager
def prepared(run: Run) -> Iterator[Run]:
    """The run with its parents as they are to be merged, beside its result. Called by all
    processes alike; the main one writes.

    Raises: as `prepared_sources`; TargetError, if nothing can be written there.
    """
    if not prepares(run.recipe, run.sources):
        yield run
        return
    place = run.out.absolute().parent / f".{run.out.name}.parents-{os.getpid()}"
    place = run.workers.on_main(lambda: place)
    try:
        yield replace(
            run,
            sources=run.workers.on_main(
                lambda: _written_beside(run.recipe, run.sources, run.out.absolute(), place)
            ),
        )
    finally:
        if run.workers.is_main:
            shutil.rmtree(place, ignore_errors=True)


def prepared_sources(
    recipe: Recipe, sources: Sources, place: Path, *, headers_only: bool
) -> Sources:
    """The sources with parents as they are to be merged, in `place`: dequantised, with their
    adapters, then of one vocabulary, then with some of their layers.

    Raises: as `dequantised`, `with_adapters`, `with_one_vocabulary`, `with_layers` and `stacked`.
    """
    how: _How = {"headers_only": headers_only, "trust_remote_code": recipe.trust_remote_code}
    models, used = list(sources.all_models), None
    for number, source in enumerate(models):
        if recipe.dequantize and not source.is_stage:
            models[number] = source = dequantised(source, place / f"whole-{number}", **how)
        if source.adapters:
            models[number] = with_adapters(source, place / f"adapted-{number}", **how)
    if recipe.tokenizer is not None or recipe.chat_template is not None:
        models, used = with_one_vocabulary(models, recipe, place, headers_only=headers_only)
    count = len(sources.models)
    if recipe.fuse == PASSTHROUGH:
        models[:count] = _stack(recipe, models[:count], place / "stack", how)
    for number, source in enumerate(models):
        if source.layers is not None and recipe.fuse != PASSTHROUGH:
            models[number] = with_layers(source, place / f"layers-{number}", **how)
    base = models[count] if sources.base is not None else None
    return replace(sources, models=tuple(models[:count]), base=base, vocabulary=used)


class _How(TypedDict):
    headers_only: bool
    trust_remote_code: bool


def _stack(recipe: Recipe, models: list[Source], place: Path, how: _How) -> list[Source]:
    """Every parent as the stack of all."""
    fusion = find_fusion(PASSTHROUGH)
    settings = fusion.settings(recipe.fuse_options, len(models))

    def scale(number: int, name: str) -> float:
        found = settings.at(name, {})[1]["scale"]
        return float(found[number] if isinstance(found, tuple) else found)

    stack = stacked(models, place, scale, **how)
    return [replace(each, folder=stack.folder, origins=each.made_of) for each in models]


def _written_beside(recipe: Recipe, sources: Sources, out: Path, place: Path) -> Sources:
    for left in out.parent.glob(f".{glob.escape(out.name)}.parents-*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    try:
        place.mkdir(parents=True)
    except OSError as error:
        raise TargetError(f"{str(place)!r} cannot be written", found=said(error)) from error
    return prepared_sources(recipe, sources, place, headers_only=False)
