"""Matching alone: two models in, an alignment out, nothing merged."""

from __future__ import annotations

from pathlib import Path

from hubmerge.align import loaded, match_pair, pair_up
from hubmerge.choices import check_names, resolved_match
from hubmerge.contest import matching_of, prepare_ground, validation_of
from hubmerge.errors import RecipeError
from hubmerge.hub import check_mergeable, fetch
from hubmerge.hub.target import check_folder
from hubmerge.matching import Match, save_match
from hubmerge.pins import pin
from hubmerge.recipe import Recipe
from hubmerge.save import arriving_whole
from hubmerge.workers import Workers


def find_match(recipe: Recipe, out: Path | None = None, workers: Workers | None = None) -> Match:
    """Matches the recipe's models, and saves the alignment in the new folder `out`.

    Raises: RecipeError for `match: none`, and whatever stops a merge before it is made.
    """
    check_names(recipe)
    method = resolved_match(recipe)
    if method == "none":
        raise RecipeError("--match none finds nothing", hint="weights, activations or auto")
    workers = workers or Workers()
    if out is not None:
        check_folder(out)
    sources = workers.on_main(lambda: pin(recipe))
    a, b = (loaded(source, recipe, workers) for source in (sources.a, sources.b))
    check_mergeable(a, b)
    pair = pair_up(a, b, labels=recipe.labels, matched=True, symmetry=recipe.symmetry)
    ground = None
    if sources.dataset is not None:
        dataset = sources.dataset
        folder = str(workers.on_main(lambda: fetch(dataset)))
        ground = prepare_ground(folder, recipe, a)
    found = match_pair(
        pair,
        method,
        matching_of(ground),
        workers,
        seed=recipe.seed,
        validation=validation_of(ground),
    )

    def save() -> None:
        if out is not None:
            with arriving_whole(out) as partial:
                save_match(found, partial)

    workers.on_main(save)
    return found
