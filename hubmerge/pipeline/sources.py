"""The sources of a recipe: parents, base and data set, each pinned to one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hubmerge.errors import ConflictError
from hubmerge.hub.known_folders import remember_folder
from hubmerge.hub.source import Source, hash_ahead, resolve
from hubmerge.matching.alignment_files import FOLDER
from hubmerge.preparation.adapters.apply import base_of, is_adapter
from hubmerge.preparation.vocabularies import VocabularyUsed
from hubmerge.recipe import (
    ARITHMETIC,
    BASE,
    DATASET,
    Recipe,
    Trials,
    adapter_role,
    models_of,
    role_in_stage,
    stage_role,
    with_refs,
)
from hubmerge.utils.model_refs import parse_model_ref
from hubmerge.utils.parent_names import display_name, roles

NO_STAGES: Mapping[str, Sources] = {}
NO_RECIPES: Mapping[str, Recipe] = {}


@dataclass(frozen=True)
class Sources:
    """Parents, data set and common base, each at its commit.

    vocabulary: that of the merge, where a recipe asks for one. stages: those of every stage.
    """

    models: tuple[Source, ...]
    dataset: Source | None
    base: Source | None = None
    vocabulary: VocabularyUsed | None = None
    stages: Mapping[str, Sources] = field(default_factory=dict)

    @property
    def all_models(self) -> tuple[Source, ...]:
        """Parents, and their base if they have one."""
        return self.models if self.base is None else (*self.models, self.base)

    def by_role(self) -> dict[str, Source]:
        """Role -> source of everything there is, in stages too, but for what stages make."""
        given = dict(zip(roles("model", len(self.models)), self.models, strict=True))
        if self.base is not None:
            given[BASE] = self.base
        for role, source in [*given.items()]:
            for number, adapter in enumerate(source.adapters):
                given[adapter_role(role, number)] = adapter
        given = {role: source for role, source in given.items() if not source.is_stage}
        if self.dataset is not None:
            given[DATASET] = self.dataset
        for name, stage in self.stages.items():
            given |= {stage_role(name, role): source for role, source in stage.by_role().items()}
        return given


def pin_sources(recipe: Recipe) -> Sources:
    """Every source at its commit. Raises: ConflictError, if the recipe recorded another one."""
    written = [
        ref for each in (*recipe.stages.values(), recipe) for ref in models_of(each).values()
    ]
    hash_ahead([ref for ref in written if parse_model_ref(ref).base not in recipe.stages])
    stages: dict[str, Sources] = {}
    for name, stage in recipe.stages.items():
        stages[name] = _pinned(stage, stages)
    sources = replace(_pinned(recipe, stages), stages=stages)
    for role, source in sources.by_role().items():
        recorded = recipe.shas.get(role)
        if recorded not in (None, source.sha):
            raise ConflictError(
                f"{source.ref} is not what the recipe was written for",
                found=f"{source.sha}, the recipe says {recorded}",
                hint="pin it as ORG/NAME@COMMIT, or remove `shas` from the recipe",
            )
    return sources


def _pinned(recipe: Recipe, stages: Mapping[str, Sources]) -> Sources:
    models = tuple(pinned_model(ref, stages) for ref in recipe.models)
    dataset = resolve(recipe.dataset.id, "dataset") if recipe.dataset else None
    base = pinned_model(recipe.base, stages) if recipe.base else None
    return Sources(models, dataset, base)


def pinned_model(ref: str, stages: Mapping[str, Sources] = NO_STAGES) -> Source:
    """A model at its commit, its adapters at theirs; of an adapter alone, on the base it names.

    stages: the stages that it may be the result of.
    Raises: as `resolve`; WeightsError, if an adapter alone names no base on the Hub.
    """
    parsed = parse_model_ref(ref)
    made = stages.get(parsed.base)
    source = resolve(parsed.base) if made is None else _result_of(parsed.base, made)
    adapters = tuple(map(resolve, parsed.adapters))
    if made is None and is_adapter(source):
        source, adapters = base_of(source), (source, *adapters)
    return replace(source, ref=ref, adapters=adapters, layers=parsed.layers)


def _result_of(stage: str, made_of: Sources) -> Source:
    """What a stage makes, which lies nowhere yet."""
    parts = dict.fromkeys(part for each in made_of.all_models for part in each.made_of)
    return Source(stage, stage, "local", None, None, parts=tuple(parts))


def pinned_recipe(
    recipe: Recipe, sources: Sources, trials: Trials, stages: Mapping[str, Recipe] = NO_RECIPES
) -> Recipe:
    """The recipe as it is written beside the merge, fit to be published.

    trials: what its effort stands for. stages: its stages as they are written.

    Repositories are named at their commits, folders by their names and what they hold; where they
    lie here is private (`remember_folders`).
    """
    beside = FOLDER if len(sources.models) > 2 or sources.base else "alignment.safetensors"
    refs = {role: f"{source.id}@{source.sha}" for role, source in sources.by_role().items()}
    update: dict[str, object] = {
        "arithmetic": ARITHMETIC,
        "trials": trials,
        "memory": None,
        "device": None,
        "shas": {},
        "alignment": beside if recipe.alignment else None,
    }
    return with_refs(recipe, refs).model_copy(update={**update, "stages": dict(stages)})


def source_name(role: str) -> str:
    """What a role is called: "parent B", "the base", "the data set", "parent A of stage first"."""
    stage, role = role_in_stage(role)
    if stage is not None:
        return f"{source_name(role)} of stage {stage}"
    named = {DATASET: "the data set", BASE: "the base"}
    role, _, part = role.partition(".")
    name = named.get(role) or display_name(role.replace("model", "parent"))
    return f"{name}'s {part}" if part else name


def remember_folders(sources: Sources) -> None:
    """Notes in the user's own index where local sources lie, for `pinned_recipe` to be of use."""
    for source in sources.by_role().values():
        for each in source.made_of:
            if each.folder is not None and each.kind == "local":
                remember_folder(each.sha, each.folder)
