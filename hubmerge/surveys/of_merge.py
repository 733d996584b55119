"""Surveys that a merge carries: of its own models, lined up as they are for it.

Nothing is loaded or matched anew; the models are measured on the merge's reported rows, and what is
chosen inside a survey is chosen on its validation rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hubmerge.errors import RecipeError
from hubmerge.matching import Match
from hubmerge.pipeline.choices import resolved_multi_match
from hubmerge.pipeline.evaluate import DataSplits, Evaluation
from hubmerge.pipeline.parents import AlignmentInputs
from hubmerge.recipe import Recipe
from hubmerge.repair import Repair
from hubmerge.reporting.schema.surveys import Seen, Surveys, is_sound
from hubmerge.surveys.inputs import Field, check_splits, field_of
from hubmerge.surveys.path import path_in
from hubmerge.surveys.plane import plane_in
from hubmerge.surveys.simplex import simplex_in
from hubmerge.utils.parent_names import roles
from hubmerge.utils.workers import Workers


class LandscapeResults(NamedTuple):
    """What was seen around a merge, and in words what could not be."""

    surveys: Surveys
    unseen: tuple[str, ...]


def _simplex(field: Field) -> Seen:
    return simplex_in(field, resolved_multi_match(field.recipe) if field.matches else "none")


LOOKS: dict[str, Callable[[Field], Seen]] = {
    "path": lambda field: path_in(field)[0],
    "plane": plane_in,
    "simplex": _simplex,
}
"""Survey -> how it looks at a field, with default options."""


def run_surveys(
    recipe: Recipe,
    method: str,
    based: AlignmentInputs,
    matches: tuple[Match, ...],
    repair: Repair | None,
    splits: DataSplits,
    evaluation: Evaluation,
    workers: Workers,
) -> LandscapeResults:
    """The surveys the recipe asks for. Called by all processes alike.

    One that cannot be, such as the plane of models that matching left where they were, is left out
    and told.
    """
    own = [evaluation.contender_outputs[role] for role in roles("parent", len(recipe.models))]
    field = field_of(
        recipe,
        method,
        based,
        matches,
        repair,
        splits,
        workers,
        [each.evaluation for each in own],
        [each.validation for each in own],
    )
    seen: dict[str, Seen] = {}
    unseen = []
    for name in recipe.survey:
        try:
            found = LOOKS[name](field)
        except RecipeError as error:
            unseen.append(f"There is no {name} to be surveyed: {error.what}.")
            continue
        if is_sound(found):
            seen[name] = found
        else:
            unseen.append(f"The {name} is not shown: not all of its figures are numbers.")
    return LandscapeResults(Surveys.model_validate(seen), tuple(unseen))


def check_survey(recipe: Recipe, splits: DataSplits | None) -> None:
    """Raises: RecipeError, if surveys are asked for and there are no rows to choose on."""
    if recipe.survey and splits is not None:
        check_splits(splits)
