"""What a recipe names, by role: its models, their adapters, its base and its data set."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from hubmerge.recipe.recipe import Recipe
from hubmerge.recipe.stages import role_in_stage, stage_role
from hubmerge.recipe.words import BASE, DATASET
from hubmerge.utils.model_refs import parse_model_ref
from hubmerge.utils.parent_names import roles

ADAPTER = "adapter"
"""What stands behind a model's role for an adapter of it: "model_a.adapter"."""


def adapter_role(role: str, number: int) -> str:
    """The role of a model's adapter, the first being number 0."""
    return f"{role}.{ADAPTER}{number + 1 if number else ''}"


def models_of(recipe: Recipe) -> dict[str, str]:
    """Role ("model_a", ..., "base") -> how the recipe writes that model, adapters and all."""
    found = dict(zip(roles("model", len(recipe.models)), recipe.models, strict=True))
    return found if recipe.base is None else {**found, BASE: recipe.base}


def refs_of(recipe: Recipe) -> dict[str, str]:
    """Role ("model_a", "model_a.adapter", ..., "base", "dataset", and "STAGE/model_a" of a stage)
    -> what the recipe names for it: one repository or folder. Results of stages are none."""
    refs = _refs_of(recipe, recipe.stages)
    if recipe.dataset is not None:
        refs[DATASET] = recipe.dataset.id
    for name, stage in recipe.stages.items():
        own = _refs_of(stage, recipe.stages)
        refs |= {stage_role(name, role): ref for role, ref in own.items()}
    return refs


def _refs_of(recipe: Recipe, stages: Collection[str]) -> dict[str, str]:
    found = dict(pair for role, ref in models_of(recipe).items() for pair in _parts(role, ref))
    return {role: ref for role, ref in found.items() if ref not in stages or ADAPTER in role}


def with_refs(recipe: Recipe, refs: Mapping[str, str]) -> Recipe:
    """The recipe with other references for some roles."""
    now = {role: _with(role, ref, refs) for role, ref in models_of(recipe).items()}
    update: dict[str, object] = {
        "models": tuple(now[role] for role in roles("model", len(recipe.models)))
    }
    if recipe.stages:
        update["stages"] = {
            name: with_refs(
                stage,
                {
                    own: ref
                    for role, ref in refs.items()
                    for at, own in [role_in_stage(role)]
                    if at == name
                },
            )
            for name, stage in recipe.stages.items()
        }
    if recipe.base is not None:
        update["base"] = now[BASE]
    if recipe.dataset is not None and DATASET in refs:
        update["dataset"] = recipe.dataset.model_copy(update={"id": refs[DATASET]})
    return recipe.model_copy(update=update)


def _parts(role: str, ref: str) -> Iterator[tuple[str, str]]:
    parsed = parse_model_ref(ref)
    yield role, parsed.base
    for number, adapter in enumerate(parsed.adapters):
        yield adapter_role(role, number), adapter


def _with(role: str, ref: str, refs: Mapping[str, str]) -> str:
    """The reference with other parts; adapters that `refs` has and it lacks are added."""
    parsed = parse_model_ref(ref)
    known, adapters = dict(_parts(role, ref)) | dict(refs), list[str]()
    while (name := adapter_role(role, len(adapters))) in known:
        adapters.append(known[name])
    return replace(parsed, base=known[role], adapters=tuple(adapters)).text
