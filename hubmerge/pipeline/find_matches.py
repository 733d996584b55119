"""Match the models of a recipe without merging them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.hub.compare import check_mergeable
from hubmerge.hub.destination import Destination
from hubmerge.hub.target import check_folder
from hubmerge.matching import Match, match_json, match_text
from hubmerge.matching.alignment_files import save_matches
from hubmerge.matching.text import match_summary
from hubmerge.pipeline.align import match_configs
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.load import MergeInputs, joint_head, load_parents, merge_inputs
from hubmerge.pipeline.match import MatchSettings, closer, match_parents
from hubmerge.pipeline.methods import NO_MATCH
from hubmerge.pipeline.open_data import open_data_splits
from hubmerge.pipeline.parents import prepare_parents
from hubmerge.pipeline.resolve import resolve
from hubmerge.recipe import QUICK, SAME, Recipe
from hubmerge.utils.atomic_folder import atomic_folder
from hubmerge.utils.parent_names import parent_letters, roles
from hubmerge.utils.workers import Workers


def find_matches(
    recipe: Recipe, out: Path | None = None, workers: Workers | None = None
) -> tuple[Match, ...]:
    """Matches the recipe's models, and saves the alignment in the new folder `out`.

    Returns: one match for every model after the first.

    Raises: RecipeError for `match: none`, and whatever stops a merge before it is made.
    """
    if out is not None:
        check_folder(out)
    recipe = recipe.replace(effort=QUICK, trials=None)
    run = resolve(recipe, Destination(out=out), workers)
    if run.methods.match == NO_MATCH:
        raise RecipeError(
            f"{option('match', 'none')} finds nothing",
            hint=option("match", "weights", "activations", "auto"),
            field="match",
        )
    found = match_models(run, _load(run))

    def save() -> None:
        if out is not None:
            with atomic_folder(out) as partial:
                save_matches(found, partial)

    run.workers.on_main(save)
    return found


def match_models(run: Run, inputs: MergeInputs) -> tuple[Match, ...]:
    """The matches by the run's matcher, which is not chosen by trial."""
    matcher = run.methods.match
    if run.methods.tries_matchers and inputs.splits is None:
        matcher = match_configs(run, inputs)[0].match
    settings = MatchSettings(
        matcher=matcher,
        multi_match=run.methods.multi_match,
        seed=run.recipe.seed,
        steps=run.recipe.learning_steps,
    )
    found = match_parents(inputs.parents, settings, inputs.match_rows, run.workers)
    return closer(inputs.parents, found, run.workers)


def _load(run: Run) -> MergeInputs:
    """The parents in the recipe's symmetry; rows need labels only where a matcher uses them."""
    recipe = run.recipe
    models = load_parents(run)
    check_mergeable(*models, other_labels=recipe.heads != SAME)
    heads = joint_head(run, models)
    alignment = prepare_parents(
        models,
        None,
        labels=recipe.align_labels,
        matched=True,
        symmetry=recipe.symmetry,
        heads=heads,
    ).with_symmetry(run.methods.symmetry)
    splits = open_data_splits(run, models, heads, labelled=run.methods.matcher_uses_labels)
    return merge_inputs(models, alignment, splits, run.methods, recipe.seed)


def as_text(matches: Sequence[Match]) -> str:
    """Each match as a terminal shows it; of more than one, under the letter of its model."""
    if len(matches) == 1:
        return match_text(matches[0])
    names = parent_letters(len(matches) + 1)[1:]
    return "\n\n".join(
        f"{name}: {match_text(match)}" for name, match in zip(names, matches, strict=True)
    )


def as_json(matches: Sequence[Match]) -> str:
    """The one match as JSON; of more, an object with one per model."""
    if len(matches) == 1:
        return match_json(matches[0])
    keys = roles("model", len(matches) + 1)[1:]
    content = {key: match_summary(match) for key, match in zip(keys, matches, strict=True)}
    return json.dumps(content, indent=2, sort_keys=True)
