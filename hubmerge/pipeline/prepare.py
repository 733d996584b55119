"""Parents written anew where a recipe asks for others than there are, and removed at the end."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from hubmerge.errors import TargetError
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.sources import Sources
from hubmerge.preparation.vocabularies import with_one_vocabulary
from hubmerge.recipe import Recipe
from hubmerge.utils.foreign import said


def prepares(recipe: Recipe) -> bool:
    """Whether parents are merged otherwise than as they are stored."""
    return recipe.tokenizer is not None or recipe.chat_template is not None


@contextmanager
def prepared(run: Run) -> Iterator[Run]:
    """The run with its parents as they are to be merged, beside its result. Called by all
    processes alike; the main one writes.

    Raises: as `prepared_sources`; TargetError, if nothing can be written there.
    """
    if not prepares(run.recipe):
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


@contextmanager
def outlined(recipe: Recipe, sources: Sources) -> Iterator[Sources]:
    """The sources with parents as they are to be merged, but for values of tensors."""
    if not prepares(recipe):
        yield sources
        return
    with tempfile.TemporaryDirectory(prefix="hubmerge-") as place:
        yield prepared_sources(recipe, sources, Path(place), headers_only=True)


def prepared_sources(
    recipe: Recipe, sources: Sources, place: Path, *, headers_only: bool
) -> Sources:
    """The sources with parents as they are to be merged, in `place`. Raises: as
    `with_one_vocabulary`.
    """
    models, used = with_one_vocabulary(sources.all_models, recipe, place, headers_only=headers_only)
    count = len(sources.models)
    base = models[count] if sources.base is not None else None
    return replace(sources, models=tuple(models[:count]), base=base, vocabulary=used)


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
