"""What a recipe tries: the row of its effort, but for what its options name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from hubmerge.recipe.effort import EFFORTS, EVERY, STANDARD, WITHOUT_DATA, Trials
from hubmerge.recipe.fields import RecipeFields
from hubmerge.recipe.words import (
    AUTO,
    MIDDLE,
    NO_REFINEMENT,
    PASSTHROUGH,
    REFINE_STEPS,
    SAME,
    WITH_BASE,
)


def trials_of(recipe: RecipeFields) -> Trials:
    """What `recipe` tries: as it records it, or by its effort; what its options name, in any case.

    Refinement by effort is left out where it would change what was not to be merged, or teach what
    not all parents know.
    """
    row, recorded = EFFORTS[recipe.effort], recipe.trials
    data, two = recipe.dataset is not None, len(recipe.models) == 2
    match, fuse = row.match, row.fuse if recipe.base is None else row.based
    refine: Literal["none", "distill"] = row.refine
    whole = not (recipe.only or recipe.keep or recipe.tokenizer)
    if recipe.heads != SAME or recipe.fuse == PASSTHROUGH or not whole:
        refine = NO_REFINEMENT
    lam: float | Literal["auto"] | None = row.lam
    if not data:
        match, refine, lam = WITHOUT_DATA, NO_REFINEMENT, MIDDLE
        fuse = ("average",) if recipe.base is None else (WITH_BASE,)
    if recorded is not None:
        match, fuse, refine, lam = recorded.match, recorded.fuse, recorded.refine, recorded.lam
    if recipe.alignment or recipe.match != AUTO:
        match = ("alignment",) if recipe.alignment else (recipe.match,)
    if recipe.fuse != AUTO:
        fuse = (recipe.fuse,)
    elif "fuse" in recipe.model_fields_set and data and recorded is None:
        fuse = (EVERY,)  # asked for by name
    elif recipe.fuse_options and recipe.base is not None:
        fuse = (WITH_BASE,)  # which the options are for
    if recipe.refine != AUTO:
        refine = recipe.refine
    if recorded is None and (recipe.fuse != AUTO or weighs_given(recipe)):
        lam = MIDDLE  # a fusion that is named is made at the weights that are named
    if weighs_given(recipe):
        lam = recipe.lam
    learns = refine != NO_REFINEMENT
    steps = recipe.refine_steps or (recorded or row).refine_steps or REFINE_STEPS
    samples = (recorded or row).refine_samples or EFFORTS[STANDARD].refine_samples
    return Trials(
        match=match,
        fuse=fuse,
        refine=refine,
        refine_steps=steps if learns else 0,
        refine_samples=samples if learns else 0,
        refine_parameters=(recorded or row).refine_parameters if learns else 0,
        lam=lam if two else None,
    )


def counts_of(recipe: RecipeFields) -> Mapping[str, int]:
    """What a recipe says how often something is done: name -> number, the largest where there are
    several.

    Of the options of a fusion every whole number, however it is written: methods that are not
    loaded yet say which of them counts.
    """
    said: dict[str, Any] = {
        "learning_steps": recipe.learning_steps,
        "path_points": recipe.path_points,
        "refine_steps": trials_of(recipe).refine_steps,
        **recipe.fuse_options,
    }
    found = {name: max(_whole_numbers(value), default=None) for name, value in said.items()}
    return {name: number for name, number in found.items() if number is not None}


def _whole_numbers(value: Any) -> list[int]:
    """Those that an option is, as it reads them: 1000, 1e3, "1000" and those of a list."""
    if isinstance(value, tuple | list):
        return [number for each in value for number in _whole_numbers(each)]
    if isinstance(value, int):
        return [] if isinstance(value, bool) else [value]
    try:
        number = float(value)
    except (TypeError, ValueError):
        return []
    return [int(number)] if math.isfinite(number) and number.is_integer() else []


def weighs_given(recipe: RecipeFields) -> bool:
    """Whether the recipe says itself what the models weigh."""
    named = recipe.model_fields_set
    return recipe.lam != MIDDLE or recipe.weights is not None or bool({"lam", "weights"} & named)


def leaves_out_refinement(recipe: RecipeFields, *, one_of_n: bool, parameters: int) -> str | None:
    """Why a refinement that the effort would do is not done; None if it is, or none is asked for.

    one_of_n: whether outputs are a distribution of which one class is right. parameters: of one
    model. A refinement that is named is done or refused, never left out.
    """
    trials = trials_of(recipe)
    if recipe.refine != AUTO or trials.refine == NO_REFINEMENT:
        return None
    if not one_of_n:
        return "the models' outputs are no distribution that could be taught"
    if parameters > trials.refine_parameters:
        return (
            f"the models have {parameters:,} parameters, and effort {recipe.effort} refines up to "
            f"{trials.refine_parameters:,}"
        )
    return None
