"""Survey the landscape around a merge: its own models, aligned as they are for it.

Nothing is loaded or matched anew; the models are measured on the merge's reported rows, and what is
chosen inside a survey is chosen on its validation rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

from hubmerge.errors import RecipeError
from hubmerge.landscape.inputs import SurveyInputs
from hubmerge.landscape.path import measure_path
from hubmerge.landscape.plane import measure_plane
from hubmerge.landscape.simplex import measure_simplex
from hubmerge.pipeline.align import Alignment
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.evaluate import Evaluation
from hubmerge.pipeline.load import MergeInputs
from hubmerge.reporting.schema.surveys import Seen, Surveys, is_sound
from hubmerge.utils.parent_names import roles


class SurveyResults(NamedTuple):
    """What was measured around a merge, and in words what could not be."""

    surveys: Surveys
    unseen: tuple[str, ...]


def survey(
    run: Run, inputs: MergeInputs, alignment: Alignment, evaluation: Evaluation | None
) -> SurveyResults | None:
    """The surveys the recipe asks for; None if there are none. Called by all processes alike.

    One that cannot be measured, such as the plane of models that matching left where they were, is
    left out and named.
    """
    if not run.recipe.survey or inputs.splits is None or evaluation is None:
        return None
    measured = _survey_inputs(run, inputs, alignment, evaluation)
    multi_match = run.methods.multi_match if alignment.matches else "none"
    measure: dict[str, Callable[[SurveyInputs], Seen]] = {
        "path": lambda given: measure_path(given)[0],
        "plane": measure_plane,
        "simplex": lambda given: measure_simplex(given, multi_match),
    }
    seen: dict[str, Seen] = {}
    unseen = []
    for name in run.recipe.survey:
        try:
            found = measure[name](measured)
        except RecipeError as error:
            unseen.append(f"There is no {name} to be surveyed: {error.what}.")
            continue
        if is_sound(found):
            seen[name] = found
        else:
            unseen.append(f"The {name} is not shown: not all of its figures are numbers.")
    return SurveyResults(Surveys.model_validate(seen), tuple(unseen))


def _survey_inputs(
    run: Run, inputs: MergeInputs, alignment: Alignment, evaluation: Evaluation
) -> SurveyInputs:
    own = [evaluation.outputs[role] for role in roles("parent", len(run.recipe.models))]
    states, _ = inputs.alignment.aligned(alignment.matches)
    assert inputs.splits is not None
    return SurveyInputs(
        recipe=run.recipe,
        method=run.methods.match,
        splits=inputs.splits,
        workers=run.workers,
        repair=alignment.repair,
        scratch=copy.deepcopy(inputs.parents.a.model),
        matches=alignment.matches,
        states=tuple(states),
        naive=tuple(inputs.parents.states),
        ends=tuple(each.evaluation for each in own),
        validation_ends=tuple(each.validation for each in own),
        statistics=inputs.statistics,
    )
