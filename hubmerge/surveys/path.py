"""hubmerge path: the path from one model to another, aligned, and bent where that is lower."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import action
from hubmerge.hub.target import check_folder
from hubmerge.landscape.curves import find_curve
from hubmerge.landscape.geometry.chain import Chain
from hubmerge.landscape.options import CURVE, STEPS
from hubmerge.landscape.path import measure_path
from hubmerge.recipe import Recipe
from hubmerge.reporting.schema.survey_results import PathFound
from hubmerge.surveys.prepare import survey_fields, survey_inputs
from hubmerge.surveys.write import write_survey
from hubmerge.symmetry.permutation import State
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.workers import Workers

BENDS = "bends.safetensors"


@checked
def find_path(
    recipe: Recipe,
    *,
    curve: str = CURVE,
    bends: int | None = None,
    steps: int = STEPS,
    out: Path | None = None,
    workers: Workers | None = None,
) -> PathFound:
    """Aligns two models, bends a path between them, and measures it beside the straight ones.

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
            hint=action("survey more"),
        )
    if out is not None:
        check_folder(out)
    inputs = survey_inputs(recipe, workers)
    seen, chain = measure_path(inputs, curve=curve, bends=count, steps=steps)
    found = PathFound(**survey_fields(inputs, curve), **dict(seen))
    inputs.workers.on_main(lambda: write_survey(found, inputs, out, _bends(chain)))
    return found


def _bends(chain: Chain) -> dict[str, dict[str, Tensor]]:
    return {BENDS: _named(chain.bends)} if chain.bends else {}


def _named(bends: tuple[State, ...]) -> dict[str, Tensor]:
    return {
        f"{number}.{name}": value.contiguous().clone()
        for number, bend in enumerate(bends, start=1)
        for name, value in bend.items()
    }
