"""Plans are kept: those of merges that are too large for the app, too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hubmerge.recipe import make_recipe
from spaces_app.service.hub_jobs import is_too_large
from spaces_app.service.job import Refused
from spaces_app.service.limits import Limits
from spaces_app.service.planner import Planner
from spaces_app.service.visitors import anonymous_visitor


def planner(made: list[str], weights: int) -> Planner:
    """One whose tasks note their names, and plan two models of so many weights."""

    def run(name: str, *given: Any, **options: Any) -> dict[str, Any]:
        made.append(name)
        models = [{"id": f"o/{each}", "sha": "0" * 40, "parameters": weights} for each in "ab"]
        return {"models": models, "needs": {"download": 1}, "both": {"family": "x"}, "data": None}

    tasks, folders = SimpleNamespace(run=run), SimpleNamespace(shared=None)
    store = SimpleNamespace(done=lambda most: [])
    return Planner(tasks, folders, store, Limits(parameters=100))  # type: ignore[arg-type]


def test_a_merge_that_is_too_large_is_planned_once() -> None:
    made: list[str] = []
    plans, visitor = planner(made, weights=101), anonymous_visitor("x")
    recipe = make_recipe(models=("o/a", "o/b"))
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            plans.plan(visitor, recipe)
        assert is_too_large(refused.value.refusal)
    assert made == ["plan"]
    with pytest.raises(Refused):
        plans.plan(anonymous_visitor("y"), recipe)
    assert made == ["plan", "plan"]


def test_a_plan_that_fits_is_made_once() -> None:
    made: list[str] = []
    plans, visitor = planner(made, weights=100), anonymous_visitor("x")
    for _ in range(2):
        assert plans.plan(visitor, make_recipe(models=("o/a", "o/b"))).seconds is None
    assert made == ["plan"]
