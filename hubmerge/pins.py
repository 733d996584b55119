"""Pinning what a recipe names to one state for good, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubmerge.errors import ConflictError
from hubmerge.hub import Source, resolve
from hubmerge.recipe import Recipe

ROLES = ("model_a", "model_b", "dataset")
"""Keys of `Recipe.shas`."""


@dataclass(frozen=True)
class Sources:
    """Parents and data set, each at its commit."""

    a: Source
    b: Source
    dataset: Source | None

    def by_role(self) -> dict[str, Source]:
        """Role -> source of everything there is."""
        given = zip(ROLES, (self.a, self.b, self.dataset), strict=True)
        return {role: source for role, source in given if source is not None}


def pin(recipe: Recipe) -> Sources:
    """Every source at its commit. Raises: ConflictError, if the recipe recorded another one."""
    a, b = (resolve(ref) for ref in recipe.models)
    dataset = resolve(recipe.dataset.id, "dataset") if recipe.dataset else None
    sources = Sources(a, b, dataset)
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

    given = sources.by_role()
    update: dict[str, object] = {
        "models": (ref(sources.a), ref(sources.b)),
        "shas": {role: source.sha for role, source in given.items() if source.kind == "local"},
        "alignment": "alignment.safetensors" if recipe.alignment else None,
    }
    if recipe.dataset and sources.dataset:
        update["dataset"] = recipe.dataset.model_copy(update={"id": ref(sources.dataset)})
    return recipe.model_copy(update=update)


def without_paths(recipe: Recipe, names: list[str]) -> Recipe:
    """A pinned recipe fit to be published: local folders by name, not by where they lie here.

    names: what the report calls parent A and parent B.
    """
    models = tuple(
        name if role in recipe.shas else ref
        for role, ref, name in zip(ROLES, recipe.models, names, strict=False)
    )
    update: dict[str, object] = {"models": models}
    if recipe.alignment:
        update["alignment"] = Path(recipe.alignment).name
    if recipe.dataset and "dataset" in recipe.shas:
        name = Path(recipe.dataset.id).name
        update["dataset"] = recipe.dataset.model_copy(update={"id": name})
    return recipe.model_copy(update=update)
