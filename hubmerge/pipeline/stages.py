"""Carry out the stages of a recipe: merges in a hidden folder, that later ones take as models."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from hubmerge import __version__
from hubmerge.errors import HubmergeError, HubUnavailableError, ResourceError, TargetError
from hubmerge.hub.destination import Destination
from hubmerge.hub.source import Source
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.existing import REPORT
from hubmerge.pipeline.methods import checked_methods
from hubmerge.pipeline.sources import Sources, pinned_recipe
from hubmerge.pipeline.weight_hashes import weight_hashes
from hubmerge.recipe import ARITHMETIC, AUTO, RECIPE_FILE, Recipe
from hubmerge.reporting.schema.report import Report
from hubmerge.streaming.kept import kept_at
from hubmerge.utils.foreign import said
from hubmerge.utils.workers import Workers


def stage_runs(recipe: Recipe, sources: Sources, out: Path, workers: Workers) -> dict[str, Run]:
    """The merges of all stages, in their order, to be written below the hidden folder for them.

    Raises: RecipeError, if methods of a stage are unknown or do not go together.
    """
    found: dict[str, Run] = {}
    for number, (name, stage) in enumerate(recipe.stages.items()):
        stage = stage.model_copy(update={"trust_remote_code": recipe.trust_remote_code})
        methods = checked_methods(stage)
        written = pinned_recipe(stage, sources.stages[name], methods.trials)
        open_to_choice = stage.match == AUTO or stage.fuse == AUTO
        update: dict[str, object] = {"arithmetic": None, "trust_remote_code": False}
        if not open_to_choice:  # nothing is left that another version could choose otherwise
            update["trials"] = None
        found[name] = Run(
            recipe=stage,
            written=written.model_copy(update=update),
            destination=Destination(),
            sources=sources.stages[name],
            methods=methods,
            out=Path(f"stage-{number + 1}"),
            workers=workers,
        )
    words = "\n".join(run.written.to_yaml() for run in found.values())
    key = hashlib.sha256(f"{ARITHMETIC} {__version__}\n{words}".encode()).hexdigest()[:16]
    place = out.absolute().parent / f".{out.name}.stages-{key}"
    return {
        name: replace(run, out=place / run.out, destination=Destination(out=place / run.out))
        for name, run in found.items()
    }


@contextmanager
def staged(run: Run, make: Callable[[Run], Report]) -> Iterator[tuple[Run, Mapping[str, Report]]]:
    """The run with the results of its stages among its sources, and what their reports say.

    Called by all processes alike. Stages that an earlier call made whole are taken as they are; all
    are removed at the end, and kept after a stop or where there is no room.
    Raises: as `make`; TargetError, if another process is making them.
    """
    if not run.stages:
        yield run, {}
        return
    place = next(iter(run.stages.values())).out.parent
    with ExitStack() as held:
        run.workers.on_main(lambda: _prepare(run.out.absolute(), place, held))
        results: dict[str, Path] = {}
        reports: dict[str, Report] = {}
        try:
            for name, stage in run.stages.items():
                ready = replace(stage, sources=with_results(stage.sources, results))
                reports[name] = run.workers.on_main(partial(_made, ready)) or make(ready)
                results[name] = stage.out
            yield replace(run, sources=with_results(run.sources, results)), reports
        except (ResourceError, HubUnavailableError):
            raise
        except HubmergeError:
            run.workers.on_main(lambda: shutil.rmtree(place, ignore_errors=True))
            raise
        run.workers.on_main(lambda: shutil.rmtree(place, ignore_errors=True))


def with_results(sources: Sources, results: Mapping[str, Path]) -> Sources:
    """The sources, those that stages make in the folders in which they are."""

    def placed(source: Source) -> Source:
        there = results.get(source.id) if source.is_stage else None
        return source if there is None else replace(source, folder=there)

    models = tuple(map(placed, sources.models))
    base = None if sources.base is None else placed(sources.base)
    return replace(sources, models=models, base=base)


def _made(stage: Run) -> Report | None:
    """The report of a stage that an earlier call made whole; what is left of others is removed."""
    folder = stage.out
    if not (folder / REPORT).is_file() or not (folder / RECIPE_FILE).is_file():
        return None
    try:
        report = Report.read(folder)
        same = (folder / RECIPE_FILE).read_text(encoding="utf-8") == stage.written.to_yaml()
        if same and weight_hashes(folder) == report.weights_sha256:
            return report
    except HubmergeError:
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _prepare(out: Path, place: Path, held: ExitStack) -> None:
    """Makes the folder for the stages this process's own, and removes those of other merges."""
    for left in out.parent.glob(f".{glob.escape(out.name)}.stages-*"):
        if left != place:
            with kept_at(left) as ours:
                if ours:
                    shutil.rmtree(left, ignore_errors=True)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(f"{str(place)!r} cannot be written", found=said(error)) from error
    if not held.enter_context(kept_at(place)):
        writable = os.access(place.parent, os.W_OK)
        raise TargetError(
            f"{str(place)!r} cannot be written",
            found="another process is making these stages" if writable else None,
            hint="wait for it, or give another folder for the result",
            field="out",
        )
