"""Methods that read outputs as a distribution, where they are none."""

from __future__ import annotations

from collections.abc import Collection

from hubmerge.errors.wording import option
from hubmerge.matching import learners
from hubmerge.planning.planned import PlannedMethods
from hubmerge.recipe import AUTO, NO_REFINEMENT
from hubmerge.tasks import Measure, require_one_of_n

TRAINED = ("path",)
"""Surveys that train models between the parents by cross-entropy."""


def refuse_misread(
    methods: PlannedMethods, refine: str, surveys: Collection[str], measure: Measure
) -> None:
    """Raises: RecipeError, if a method learns from outputs by a softmax, and those of the models
    are no distribution.

    refine, surveys: as the recipe names them. Fusions that are compared may be such ones; then they
    are left out.
    """
    fusion = methods.fusion
    if methods.match in learners():
        require_one_of_n(measure, option("match", methods.match), "match")
    if fusion is not None and fusion.one_of_n:
        require_one_of_n(measure, option("fuse", fusion.name), "fuse")
    if refine not in (AUTO, NO_REFINEMENT):
        require_one_of_n(measure, option("refine", refine), "refine")
    for survey in surveys:
        if survey in TRAINED:
            require_one_of_n(measure, option("survey", survey), "survey")
