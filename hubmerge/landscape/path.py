"""The paths between two aligned models: straight, and bent where that is lower."""

from __future__ import annotations

from transformers import PreTrainedModel

from hubmerge.evaluation.curve import PATH_POINTS, EvalSet, measure_curves
from hubmerge.evaluation.results import Curve
from hubmerge.landscape.curves import find_curve
from hubmerge.landscape.geometry.chain import Chain, distance, hats
from hubmerge.landscape.inputs import SurveyInputs
from hubmerge.landscape.options import CURVE, STEPS
from hubmerge.landscape.path_trainer import PathTrainer
from hubmerge.reporting.path_verdict import barrier_claim, settle
from hubmerge.reporting.schema.survey_results import PathSeen

KEPT = " It is the straight path: nothing lower was found on validation rows."


def measure_path(
    inputs: SurveyInputs, *, curve: str = CURVE, bends: int | None = None, steps: int = STEPS
) -> tuple[PathSeen, Chain]:
    """The three paths between two models that are aligned, and the bent one itself.

    Raises: RecipeError, for an unknown curve or a number of bends it cannot have.
    """
    kind = find_curve(curve)
    count = kind.checked(bends)
    first, last = inputs.states
    seed = inputs.recipe.seed
    chain = kind.function(
        first, last, count, PathTrainer(inputs.training_context(), steps=steps, seed=seed)
    )
    straight = _along(inputs, Chain((first, last), hats), "straight")
    found = _along(inputs, chain, curve) if count else None
    best = found or straight
    unit = inputs.splits.reading.unit
    length = chain.length() / (distance(first, last) or 1.0)
    seen = PathSeen(
        curve=curve,
        bends=count,
        steps=steps if count else 0,
        naive=_along(inputs, Chain(inputs.naive, hats), "naive"),
        straight=straight,
        found=found,
        length=length,
        settled=settle(best.calibrated_barrier),
        sentence=barrier_claim(f"the {curve} path", best.calibrated_barrier, best.n, unit)
        + (KEPT if count and length < 1 + 1e-6 else ""),
        error_rate=inputs.error_rate,
    )
    return seen, chain


def _along(inputs: SurveyInputs, chain: Chain, what: str) -> Curve:
    model_of = inputs.model_maker()

    def point(place: float) -> PreTrainedModel:
        return model_of(chain.state(place))

    splits = inputs.splits
    (curve,) = measure_curves(
        point,
        [EvalSet(splits.evaluation, inputs.ends)],
        EvalSet(splits.validation, inputs.validation_ends),
        inputs.workers,
        what,
        budget=PATH_POINTS if inputs.recipe.path_points is None else inputs.recipe.path_points,
    )
    return curve
