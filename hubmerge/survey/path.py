"""The path from one model to another: straight, lined up, and bent where that is lower."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.alignments import save_matches
from hubmerge.errors import RecipeError
from hubmerge.hub.target import check_folder
from hubmerge.landscape.chain import Chain, distance, hats
from hubmerge.landscape.curves import find_curve
from hubmerge.landscape.teach import STEPS, Teacher
from hubmerge.measure import measure_curve
from hubmerge.measure.results import Curve
from hubmerge.recipe import RECIPE_FILE, Recipe
from hubmerge.reporting.routes import Route, draw_routes
from hubmerge.reporting.settle import settle, told
from hubmerge.save import arriving_whole
from hubmerge.spec.permutation import State
from hubmerge.survey.field import Field, about, take_field
from hubmerge.survey.results import PathFound
from hubmerge.workers import Workers

REPORT, PICTURE, BENDS = "path.json", "path.png", "bends.safetensors"


def find_path(
    recipe: Recipe,
    *,
    curve: str = "bezier",
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
    first, last = field.states
    chain = kind.function(first, last, count, Teacher(field.bench(), steps=steps, seed=recipe.seed))
    straight = _along(field, Chain((first, last), hats), "straight")
    found = _along(field, chain, curve) if count else None
    best = found or straight
    ground = field.ground
    sentence = told(f"the {curve} path", best.calibrated_barrier, best.n, ground.reading.unit)
    result = PathFound(
        **about(field),
        curve=curve,
        bends=count,
        steps=steps if count else 0,
        naive=_along(field, Chain(field.naive, hats), "naive"),
        straight=straight,
        found=found,
        length=chain.length() / (distance(first, last) or 1.0),
        settled=settle(best.calibrated_barrier),
        sentence=sentence,
    )
    field.workers.on_main(lambda: _write(result, chain, field, out))
    return result


def _along(field: Field, chain: Chain, what: str) -> Curve:
    finished = field.finisher()

    def point(place: float) -> PreTrainedModel:
        return finished(chain.state(place))

    return measure_curve(
        point,
        field.ends,
        field.held_out,
        field.ground.evaluation,
        field.ground.validation,
        field.workers,
        what,
        budget=field.recipe.path_points,
    )


def routes(found: PathFound) -> list[Route]:
    """The measured paths, as they are drawn."""
    lines = [
        Route("straight, as they came", found.naive),
        Route("straight, lined up", found.straight),
    ]
    return [*lines, Route(found.curve, found.found)] if found.found else lines


def _write(found: PathFound, chain: Chain, field: Field, out: Path | None) -> None:
    if out is None:
        return
    with arriving_whole(out) as folder:
        (folder / REPORT).write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / PICTURE).write_bytes(draw_routes(routes(found), found.sentence, found.unit))
        (folder / RECIPE_FILE).write_text(field.recipe.to_yaml(), encoding="utf-8")
        if chain.bends:
            save_file(_named(chain.bends), folder / BENDS)
        if field.matches:
            save_matches(field.matches, folder)


def _named(bends: tuple[State, ...]) -> dict[str, Tensor]:
    return {
        f"{number}.{name}": value.contiguous().clone()
        for number, bend in enumerate(bends, start=1)
        for name, value in bend.items()
    }
