"""What a recipe says twice, or as a truth value where a number belongs, is refused, not guessed."""

from __future__ import annotations

from typing import Any

import pytest

from hubmerge.errors import RecipeError
from hubmerge.recipe import Recipe
from hubmerge.recipe.read import recipe_from

PARENTS = "models: [me/a, me/b]\n"


@pytest.mark.parametrize(
    "field", ["lambda: true", "seed: false", "samples: yes", "weights: [true, false]"]
)
def test_a_truth_value_is_no_number_in_a_file(field: str) -> None:
    with pytest.raises(RecipeError, match="true and false are no values"):
        recipe_from(PARENTS + field)


@pytest.mark.parametrize("field", [{"lam": True}, {"seed": False}, {"path_points": True}])
def test_nor_in_python(field: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="true and false are no values"):
        Recipe(models=("me/a", "me/b"), **field)


def test_a_number_of_hundreds_of_digits_is_not_echoed() -> None:
    with pytest.raises(RecipeError) as error:
        recipe_from(PARENTS + "weights: [1" + "0" * 400 + ", 1]")
    assert len(str(error.value)) < 400


def test_where_it_is_one_it_stays() -> None:
    found = recipe_from(PARENTS + "fuse: dare\nbase: me/c\nfuse_options: {rescale: false}")
    assert found.fuse_options["rescale"] is False
    assert recipe_from(PARENTS + "trust_remote_code: true").trust_remote_code


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (PARENTS + "match: none\nmatch: weights", "match"),
        (PARENTS + "fuse_options: {density: .5, density: .7}", "density"),
        (PARENTS + PARENTS, "models"),
        ("merge_method: linear\nmodels:\n- {model: a, model: b}\n", "model"),
    ],
)
def test_nothing_is_said_twice(text: str, name: str) -> None:
    with pytest.raises(RecipeError, match=f"says '{name}' once more"):
        recipe_from(text)
