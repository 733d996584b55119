"""The file, the command and the program of a recipe are the same recipe."""

from __future__ import annotations

import shlex
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

import hubmerge
from hubmerge.cli import options
from hubmerge.cli.command import command as made
from hubmerge.errors import RecipeError
from hubmerge.pipeline.methods import checked_methods
from hubmerge.recipe import Recipe, trials_of
from spaces_app.ui import method_choices as allowed
from spaces_app.ui import presets as levels
from spaces_app.ui.advanced_panel import whole
from spaces_app.ui.method_panel import recipe_of
from spaces_app.ui.recipe_text import as_command, as_python, from_yaml

names = st.from_regex(r"[a-z][a-z0-9]{0,8}/[a-z][a-z0-9'\- ]{0,8}[a-z]", fullmatch=True)
chosen = st.fixed_dictionaries(
    {
        "match": st.sampled_from([levels.AS_CHOSEN, "auto", "weights", "none"]),
        "fuse": st.sampled_from([levels.AS_CHOSEN, "average", "greedy-soup", "auto"]),
        "repair": st.sampled_from(["auto", "none"]),
        "symmetry": st.sampled_from(["auto", "all", "permutations"]),
        "align_labels": st.sampled_from(["name", "index"]),
        "heads": st.sampled_from(["same", "join", "concat"]),
        "lam": st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        "seed": st.integers(0, 9),
    },
    optional={
        "base": names,
        "samples": st.integers(1, 500),
        "calibration_samples": st.integers(0, 500),
    },
).filter(lambda fields: fields["heads"] == "same" or fields["align_labels"] == "name")
recipes = st.builds(
    levels.to_recipe,
    st.lists(names, min_size=2, max_size=2),
    st.none() | names,
    st.sampled_from(list(levels.LEVELS.values())),
    chosen,
)


def parsed(command: str) -> Recipe:
    """What the command line makes of it."""
    app, got = typer.Typer(), []
    app.command()(made(lambda recipe: got.append(recipe), Recipe))
    words = shlex.split(command)
    assert words[:2] == ["hubmerge", "merge"]
    app(words[2:], standalone_mode=False)
    options.be_quiet()
    return got[0]


def ran(program: str) -> Recipe:
    """What the program runs."""
    got: list[Any] = []

    def run(recipe: Recipe) -> Any:
        got.append(recipe)
        return SimpleNamespace(report=SimpleNamespace(verdict_sentence=""))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hubmerge, "run", run)
        exec(program, {})
    return got[0]


@settings(deadline=None)
@given(recipes)
def test_three_ways_to_run_one_recipe(recipe: Recipe) -> None:
    assert from_yaml(recipe.to_yaml()) == recipe
    assert parsed(as_command(recipe)) == recipe
    assert ran(as_python(recipe)) == recipe


def test_more_than_two_models_weigh_what_they_weigh() -> None:
    recipe = Recipe(models=("o/a", "o/b", "o/c"), weights=(0.5, 0.25, 0.25), dataset="o/d")
    assert parsed(as_command(recipe)) == ran(as_python(recipe)) == recipe


def test_surveys_and_training_rows_are_asked_for_alike() -> None:
    asked = {"survey": ("path", "plane")}
    recipe = levels.to_recipe(["o/a", "o/b"], "o/d", levels.STANDARD, asked)
    assert recipe.survey == ("path", "plane")
    more = recipe.model_copy(update={"train_samples": 50, "path_points": 3})
    assert parsed(as_command(more)) == ran(as_python(more)) == more
    with pytest.raises(RecipeError, match="three models"):
        levels.to_recipe(["o/a", "o/b"], "o/d", levels.STANDARD, {"survey": ("simplex",)})


def test_the_levels_differ_in_what_they_need() -> None:
    quick, standard, best = (
        levels.to_recipe(["o/a", "o/b"], "o/d", level) for level in levels.LEVELS.values()
    )
    assert quick.dataset is None
    assert quick.match == "weights"
    assert [each.effort for each in (quick, standard, best)] == ["quick", "standard", "best"]
    assert trials_of(quick).refine_steps == 0 < trials_of(standard).refine_steps
    assert trials_of(standard).refine_steps < trials_of(best).refine_steps
    assert trials_of(best).lam == "auto"


def test_one_model_is_no_recipe_yet() -> None:
    assert recipe_of("o/a", " ", "", None, None, "quick") is None


@given(st.integers(0, 10**15 - 1))
def test_numbers_are_read_as_they_are_commonly_written(number: int) -> None:
    assert whole("rows", f" {number:,} ") == whole("rows", str(number)) == number
    assert whole("rows", None) is whole("rows", " ") is None


@pytest.mark.parametrize("typed", ["many", "-1", "1.5", "1e3", "²", "٣", "9" * 20])
def test_what_is_no_number_is_refused_by_its_name(typed: str) -> None:
    with pytest.raises(RecipeError, match='rows="'):
        whole("rows", typed)


@given(st.booleans(), st.booleans(), st.booleans())
def test_only_methods_that_what_is_given_allows_are_offered(
    data: bool, base: bool, run: bool
) -> None:
    given = allowed.Given(data, base, run)
    picked = {"models": ("o/r@1", "o/r@2"), "dataset": "o/d" if data else None}
    picked |= {"base": "o/base"} if base else {}
    for field, choices in (
        ("match", allowed.matchings(given)),
        ("fuse", allowed.fusings(given)),
        ("repair", allowed.repairings(given)),
    ):
        for _, name in choices:
            if name == levels.AS_CHOSEN:
                continue
            fuse = {"fuse": "auto"} if base and data else {}
            checked_methods(Recipe(**picked, **{**fuse, field: name}))


@given(st.sampled_from(list(levels.LEVELS.values())), st.booleans(), st.sampled_from([None, "o/x"]))
def test_every_fusion_that_is_offered_makes_a_recipe_that_can_be_carried_out(
    level: str, data: bool, base: str | None
) -> None:
    rows = "o/d" if data else None
    given = allowed.Given(data and level != levels.QUICK, base is not None, True)
    for _, name in allowed.fusings(given):
        advanced = {"fuse": name} | ({"base": base} if base else {})
        checked_methods(levels.to_recipe(["o/r@1", "o/r@2"], rows, level, advanced))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "models: [a/b]",
        "models: [a/b, c/d]\nunknown: 1",
        "a: &x [1]\nmodels: *x",
        "models: [a/b, c/d]\nseed: !!python/object/apply:os.system ['true']",
        "1: 2",
        "models: {a: b}",
        "\t",
        "models: " + "[" * 20_000,
        "models: " + "[" * 3_000 + "]" * 3_000,
        "models: [a/b, c/d]\nseed: " + "9" * 5_000,
        "models: [a/b, c/d]\nonly: [2020-99-99]",
        "models: [a/b, c/d]\n# " + "x" * 64_000,
        "models: [a/b, c/d]\nseed: \ud800",
        "models: [a/b, c/d]\nfuse: swag\nfuse_options: {rank: .inf}\nlambda: .nan",
    ],
)
def test_what_is_no_recipe_is_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        from_yaml(text)
