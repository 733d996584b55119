"""The path from one model to another: straight, lined up, and bent where that is lower."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.errors import RecipeError
from hubmerge.evaluation.curve import measure_curve
from hubmerge.evaluation.results import Curve
from hubmerge.hub.target import check_folder
from hubmerge.landscape.curves import find_curve
from hubmerge.landscape.geometry.chain import Chain, distance, hats
from hubmerge.landscape.path_trainer import PathTrainer
from hubmerge.recipe import Recipe
from hubmerge.reporting.path_verdict import settle, told
from hubmerge.reporting.schema.survey_results import PathFound, PathSeen
from hubmerge.surveys.inputs import Field, about, take_field
from hubmerge.surveys.options import CURVE, STEPS
from hubmerge.surveys.write import write_survey
from hubmerge.symmetry.permutation import State
from hubmerge.utils.workers import Workers

BENDS = "bends.safetensors"
KEPT = " It is the straight path: nothing lower was found on validation rows."


def find_path(
    recipe: Recipe,
    *,
    curve: str = CURVE,
    bends: int | None = None,
    steps: int = STEPS,
    out: Path | None = None,
    workers: Workers | None = None,
) -> PathFound:
    """Lines two models up, bends a path between them, and measures it beside the straight ones.

    The bends are trained on calibration rows, the best path is chosen on validation rows, and all
    paths are measured on the reported ones. out: a new folder for the figures, their picture, the
    bends and the alignment. Called by all processes alike.
    Raises: RecipeError for more than two models, an unknown curve or no data; TargetError; and
    whatever stops a merge before it is made.
    """
    kind = find_curve(curve)
    count = kind.checked(bends)
    if len(recipe.models) != 2:
        raise RecipeError(
            "a path leads from one model to another",
            found=f"{len(recipe.models)} models",
            hint="hubmerge simplex and hubmerge complex take more",
        )
    if out is not None:
        check_folder(out)
    field = take_field(recipe, workers or Workers())
    seen, chain = path_in(field, curve=curve, bends=count, steps=steps)
    found = PathFound(**about(field), **dict(seen))
    field.workers.on_main(lambda: write_survey(found, field, out, _bends(chain)))
    return found


def path_in(
    field: Field, *, curve: str = CURVE, bends: int | None = None, steps: int = STEPS
) -> tuple[PathSeen, Chain]:
    """The three paths between two models that are lined up, and the bent one itself.

    Raises: RecipeError, for an unknown curve or a number of bends it cannot have.
    """
    kind = find_curve(curve)
    count = kind.checked(bends)
    first, last = field.states
    seed = field.recipe.seed
    chain = kind.function(first, last, count, PathTrainer(field.context(), steps=steps, seed=seed))
    straight = _along(field, Chain((first, last), hats), "straight")
    found = _along(field, chain, curve) if count else None
    best = found or straight
    unit = field.splits.reading.unit
    length = chain.length() / (distance(first, last) or 1.0)
    seen = PathSeen(
        curve=curve,
        bends=count,
        steps=steps if count else 0,
        naive=_along(field, Chain(field.naive, hats), "naive"),
        straight=straight,
        found=found,
        length=length,
        settled=settle(best.calibrated_barrier),
        sentence=told(f"the {curve} path", best.calibrated_barrier, best.n, unit)
        + (KEPT if count and length < 1 + 1e-6 else ""),
    )
    return seen, chain


def _along(field: Field, chain: Chain, what: str) -> Curve:
    finished = field.finisher()

    def point(place: float) -> PreTrainedModel:
        return finished(chain.state(place))

    return measure_curve(
        point,
        field.ends,
        field.held_out,
        field.splits.evaluation,
        field.splits.validation,
        field.workers,
        what,
        budget=field.recipe.path_points,
    )


def _bends(chain: Chain) -> dict[str, dict[str, Tensor]]:
    return {BENDS: _named(chain.bends)} if chain.bends else {}


def _named(bends: tuple[State, ...]) -> dict[str, Tensor]:
    return {
        f"{number}.{name}": value.contiguous().clone()
        for number, bend in enumerate(bends, start=1)
        for name, value in bend.items()
    }
