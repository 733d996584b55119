"""Methods that read outputs as a distribution, where they are none."""

from __future__ import annotations

from hubmerge.errors.wording import option
from hubmerge.fuse import Fusion
from hubmerge.matching import learners
from hubmerge.recipe import AUTO, NO_REFINEMENT, Recipe
from hubmerge.tasks import Measure, require_one_of_n

TRAINED = ("path",)
"""Surveys that train models between the parents by cross-entropy."""


def refuse_misread(recipe: Recipe, fusion: Fusion | None, measure: Measure) -> None:
    """Raises: RecipeError, if a method of `recipe` learns from outputs by a softmax, and those of
    the models are no distribution.

    fusion: None where several are compared, of which such are left out.
    """
    if recipe.match in learners():
        require_one_of_n(measure, option("match", recipe.match), "match")
    if fusion is not None and fusion.one_of_n:
        require_one_of_n(measure, option("fuse", fusion.name), "fuse")
    if recipe.refine not in (AUTO, NO_REFINEMENT):
        require_one_of_n(measure, option("refine", recipe.refine), "refine")
    for survey in recipe.survey:
        if survey in TRAINED:
            require_one_of_n(measure, option("survey", survey), "survey")
