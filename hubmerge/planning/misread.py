"""Methods that read outputs as a distribution, or rows by their loss, where these are none."""

from __future__ import annotations

from collections.abc import Collection

from hubmerge.errors.wording import option
from hubmerge.matching import learners
from hubmerge.planning.planned import PlannedMethods
from hubmerge.recipe import AUTO, NO_REFINEMENT
from hubmerge.tasks import Measure, require_loss, require_one_of_n

TRAINED = ("path",)
"""Surveys that train models between the parents by cross-entropy."""


def refuse_misread(
    methods: PlannedMethods, refine: str, surveys: Collection[str], measure: Measure
) -> None:
    """Raises: RecipeError, if a method learns from outputs by a softmax, and those of the models
    are no distribution; or if it goes by losses of rows, which have none.

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
    if fusion is not None and fusion.needs == "labelled":
        require_loss(measure, option("fuse", fusion.name), "fuse")
    for survey in surveys:
        require_loss(measure, option("survey", survey), "survey")
        if survey in TRAINED:
            require_one_of_n(measure, option("survey", survey), "survey")
