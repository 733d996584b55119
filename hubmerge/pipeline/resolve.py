"""Resolve a recipe: its sources at their commits, its names as methods, its output folder."""

from __future__ import annotations

from pathlib import Path

from hubmerge.hub.destination import Destination
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.methods import checked_methods
from hubmerge.pipeline.sources import Sources, pin_sources, pinned_recipe
from hubmerge.pipeline.stages import stage_runs
from hubmerge.planning.resources import WORKING, allowed_memory
from hubmerge.recipe import Recipe
from hubmerge.utils.workers import Workers


def resolve(
    recipe: Recipe, destination: Destination | None = None, workers: Workers | None = None
) -> Run:
    """What every step gets to carry out `recipe`. Called by all processes alike.

    Raises: RecipeError, if methods are unknown or do not go together; NotFoundError, AccessError,
    HubUnavailableError; ConflictError, if the recipe recorded another commit.
    """
    destination, workers = destination or Destination(), workers or Workers()
    workers.use(recipe.device)
    workers.memory = max(0, (allowed_memory(recipe.memory)) - WORKING)
    methods = checked_methods(recipe)
    sources = workers.on_main(lambda: pin_sources(recipe))
    out = destination.out or default_folder(sources)
    stages = stage_runs(recipe, sources, out, workers)
    written = {name: run.written for name, run in stages.items()}
    return Run(
        recipe=recipe,
        written=pinned_recipe(recipe, sources, methods.trials, written),
        destination=destination,
        sources=sources,
        methods=methods,
        out=out,
        workers=workers,
        stages=stages,
    )


def default_folder(sources: Sources) -> Path:
    """Where a merge is written by default: here, named after all parents."""
    names = (source.id.rpartition("/")[2] for source in sources.models)
    return Path("-".join((*names, "merged")))
