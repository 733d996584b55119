"""The sources of a recipe: parents, base and data set, each pinned to one commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubmerge.errors import ConflictError
from hubmerge.hub.source import Source, resolve
from hubmerge.matching.alignment_files import FOLDER
from hubmerge.recipe import ARITHMETIC, Recipe
from hubmerge.utils.parent_names import roles

DATASET, BASE = "dataset", "base"
"""Their keys in `Recipe.shas`, beside "model_a", "model_b", ..."""


@dataclass(frozen=True)
class Sources:
    """Parents, data set and common base, each at its commit."""

    models: tuple[Source, ...]
    dataset: Source | None
    base: Source | None = None

    @property
    def all_models(self) -> tuple[Source, ...]:
        """Parents, and their base if they have one."""
        return self.models if self.base is None else (*self.models, self.base)

    def by_role(self) -> dict[str, Source]:
        """Role -> source of everything there is."""
        given = dict(zip(roles("model", len(self.models)), self.models, strict=True))
        more = {BASE: self.base, DATASET: self.dataset}
        return given | {role: source for role, source in more.items() if source is not None}


def pin_sources(recipe: Recipe) -> Sources:
    """Every source at its commit. Raises: ConflictError, if the recipe recorded another one."""
    models = tuple(resolve(ref) for ref in recipe.models)
    dataset = resolve(recipe.dataset.id, "dataset") if recipe.dataset else None
    base = resolve(recipe.base) if recipe.base else None
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
        if source.kind == "hub":
            return f"{source.id}@{source.sha}"
        return source.id if source.kind == "memory" else source.ref

    beside = FOLDER if len(sources.models) > 2 or sources.base else "alignment.safetensors"
    given = sources.by_role()
    update: dict[str, object] = {
        "arithmetic": ARITHMETIC,
        "models": tuple(map(ref, sources.models)),
        "shas": {role: source.sha for role, source in given.items() if source.kind != "hub"},
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
