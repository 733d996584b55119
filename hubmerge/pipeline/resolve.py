"""Resolve a recipe: its sources at their commits, its names as methods, its output folder."""

from __future__ import annotations

from pathlib import Path

from hubmerge.errors import ConflictError
from hubmerge.hub.destination import Destination
from hubmerge.hub.source import Source
from hubmerge.hub.source import resolve as resolve_source
from hubmerge.matching.alignment_files import FOLDER
from hubmerge.pipeline.check import checked_methods
from hubmerge.pipeline.context import BASE, DATASET, Run, Sources
from hubmerge.recipe import Recipe
from hubmerge.utils.parent_names import roles
from hubmerge.utils.workers import Workers


def resolve(
    recipe: Recipe, destination: Destination | None = None, workers: Workers | None = None
) -> Run:
    """What every step gets to carry out `recipe`. Called by all processes alike.

    Raises: RecipeError, if methods are unknown or do not go together; NotFoundError, AccessError,
    HubUnavailableError; ConflictError, if the recipe recorded another commit.
    """
    destination, workers = destination or Destination(), workers or Workers()
    methods = checked_methods(recipe)
    sources = workers.on_main(lambda: pin_sources(recipe))
    written = pinned_recipe(recipe, sources)
    if destination.push is not None:
        written = without_paths(written, [source.id for source in sources.models])
    return Run(
        recipe=recipe,
        written=written,
        destination=destination,
        sources=sources,
        methods=methods,
        out=destination.out or default_folder(sources),
        workers=workers,
    )


def default_folder(sources: Sources) -> Path:
    """Where a merge is written by default: here, named after all parents."""
    names = (source.id.rpartition("/")[2] for source in sources.models)
    return Path("-".join((*names, "merged")))


def pin_sources(recipe: Recipe) -> Sources:
    """Every source at its commit. Raises: ConflictError, if the recipe recorded another one."""
    models = tuple(resolve_source(ref) for ref in recipe.models)
    dataset = resolve_source(recipe.dataset.id, "dataset") if recipe.dataset else None
    base = resolve_source(recipe.base) if recipe.base else None
    sources = Sources(models, dataset, base)
    for role, source in sources.by_role().items():
        recorded = recipe.shas.get(role)
        if recorded not in (None, source.sha):
            raise ConflictError(
                f"{source.ref} is not what the recipe was written for",
                found=f"{source.sha}, the recipe says {recorded}",
                hint="pin it as ORG/NAME@COMMIT, or remove `shas` from the recipe",
            )
    return sources


def pinned_recipe(recipe: Recipe, sources: Sources) -> Recipe:
    """The recipe as it is written beside the merge: Hub ids at their commit, folders by hash."""

    def ref(source: Source) -> str:
        return f"{source.id}@{source.sha}" if source.kind == "hub" else source.ref

    beside = FOLDER if len(sources.models) > 2 or sources.base else "alignment.safetensors"
    given = sources.by_role()
    update: dict[str, object] = {
        "models": tuple(map(ref, sources.models)),
        "shas": {role: source.sha for role, source in given.items() if source.kind == "local"},
        "alignment": beside if recipe.alignment else None,
    }
    if sources.base is not None:
        update["base"] = ref(sources.base)
    if recipe.dataset and sources.dataset:
        update["dataset"] = recipe.dataset.model_copy(update={"id": ref(sources.dataset)})
    return recipe.model_copy(update=update)


def without_paths(recipe: Recipe, names: list[str]) -> Recipe:
    """A pinned recipe fit to be published: local folders by name, not by where they lie here.

    names: what the report calls the parents, in their order.
    """
    models = tuple(
        name if role in recipe.shas else ref
        for role, ref, name in zip(roles("model", len(names)), recipe.models, names, strict=True)
    )
    update: dict[str, object] = {"models": models}
    if recipe.alignment:
        update["alignment"] = Path(recipe.alignment).name
    if recipe.base and BASE in recipe.shas:
        update["base"] = Path(recipe.base).name
    if recipe.dataset and DATASET in recipe.shas:
        name = Path(recipe.dataset.id).name
        update["dataset"] = recipe.dataset.model_copy(update={"id": name})
    return recipe.model_copy(update=update)
