"""Matching alone: models in, an alignment out, nothing merged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hubmerge.errors import RecipeError
from hubmerge.hub.compare import check_mergeable
from hubmerge.hub.fetch import fetch
from hubmerge.hub.target import check_folder
from hubmerge.matching import Match, match_json, match_text
from hubmerge.matching.alignment_files import save_matches
from hubmerge.matching.text import match_summary
from hubmerge.pipeline.align import loaded, match_all
from hubmerge.pipeline.choices import (
    check_names,
    heads_for,
    matches_by_labels,
    resolved_match,
    resolved_multi_match,
    resolved_symmetry,
    settled_match,
)
from hubmerge.pipeline.evaluate import matching_of, open_splits, validation_of
from hubmerge.pipeline.parents import prepare_parents
from hubmerge.pipeline.resolve import pin
from hubmerge.pipeline.save import arriving_whole
from hubmerge.recipe import SAME, Recipe
from hubmerge.utils.parent_names import parent_letters, roles
from hubmerge.utils.workers import Workers


def find_matches(
    recipe: Recipe, out: Path | None = None, workers: Workers | None = None
) -> tuple[Match, ...]:
    """Matches the recipe's models, and saves the alignment in the new folder `out`.

    Returns: one match for every model after the first.

    Raises: RecipeError for `match: none`, and whatever stops a merge before it is made.
    """
    check_names(recipe)
    if resolved_match(recipe) == "none":
        raise RecipeError("--match none finds nothing", hint="weights, activations or auto")
    workers = workers or Workers()
    if out is not None:
        check_folder(out)
    sources = workers.on_main(lambda: pin(recipe))
    models = [loaded(source, recipe, workers) for source in sources.models]
    check_mergeable(*models, other_labels=recipe.heads != SAME)
    heads = heads_for(recipe, models)
    parents = prepare_parents(
        models,
        None,
        labels=recipe.align_labels,
        matched=True,
        symmetry=recipe.symmetry,
        heads=heads,
    ).parents
    parents = parents.with_symmetry(resolved_symmetry(recipe))
    splits = None
    if sources.dataset is not None:
        dataset = sources.dataset
        folder = str(workers.on_main(lambda: fetch(dataset)))
        labelled = matches_by_labels(recipe)
        splits = open_splits(folder, recipe, models[0], heads, labelled=labelled)
    found = match_all(
        parents,
        settled_match(recipe, parents, splits),
        resolved_multi_match(recipe),
        matching_of(splits),
        workers,
        seed=recipe.seed,
        validation=validation_of(splits),
        steps=recipe.learning_steps,
    )

    def save() -> None:
        if out is not None:
            with arriving_whole(out) as partial:
                save_matches(found, partial)

    workers.on_main(save)
    return found


def told_text(matches: Sequence[Match]) -> str:
    """Each match as a terminal shows it; of more than one, under the letter of its model."""
    if len(matches) == 1:
        return match_text(matches[0])
    names = parent_letters(len(matches) + 1)[1:]
    return "\n\n".join(
        f"{name}: {match_text(match)}" for name, match in zip(names, matches, strict=True)
    )


def told_json(matches: Sequence[Match]) -> str:
    """The one match as JSON; of more, an object with one per model."""
    if len(matches) == 1:
        return match_json(matches[0])
    keys = roles("model", len(matches) + 1)[1:]
    content = {key: match_summary(match) for key, match in zip(keys, matches, strict=True)}
    return json.dumps(content, indent=2, sort_keys=True)
