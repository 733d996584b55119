"""Limits from the environment."""

from __future__ import annotations

import pytest

from hubmerge.errors import RecipeError
from hubmerge.recipe import make_recipe
from spaces_app.service.limits import Limits, check_recipe, read_limits


def test_the_environment_replaces_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBMERGE_APP_PER_PERSON", "5")
    assert read_limits() == Limits(per_person=5)
    assert read_limits().models == Limits().models


@pytest.mark.parametrize("given", ["many", "-1", "1.5", ""])
def test_what_is_no_whole_number_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("HUBMERGE_APP_ROWS", given)
    with pytest.raises(RecipeError, match=f"HUBMERGE_APP_ROWS={given}"):
        read_limits()


def test_benchmarks_are_not_run_by_an_app() -> None:
    recipe = make_recipe(models=("o/a", "o/b"), eval=("one,two", "o/quiz"))
    assert recipe.eval == ("one", "two", "o/quiz")
    with pytest.raises(RecipeError, match="benchmarks are not run here"):
        check_recipe(recipe, Limits())
