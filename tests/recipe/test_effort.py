"""What an effort stands for, what options replace of it, and what is left out."""

from __future__ import annotations

import pytest
import yaml

import hubmerge as hm
from hubmerge.pipeline.methods import methods_of
from hubmerge.recipe import leaves_out_refinement, recipe_in, trials_of
from hubmerge.recipe.effort import EFFORTS, Trials

EVERY = tuple(EFFORTS)
NAMED = {"match": "weights", "fuse": "slerp", "refine": "none", "lam": 0.5}


def recipe(effort: str = "standard", **fields: object) -> hm.Recipe:
    return hm.Recipe(models=("org/a", "org/b"), effort=effort, **({"dataset": "org/d"} | fields))


def test_standard_is_the_default_and_efforts_try_ever_more() -> None:
    assert hm.Recipe(models=("org/a", "org/b")).effort == "standard"
    quick, standard, best = (methods_of(recipe(effort)).trials for effort in EVERY)
    assert set(quick.match) <= set(standard.match) <= set(best.match)
    assert set(quick.fuse) <= set(standard.fuse) <= set(best.fuse)
    assert quick.refine_steps < standard.refine_steps < best.refine_steps
    assert quick.refine_samples < standard.refine_samples < best.refine_samples
    assert (quick.fuse, quick.refine, quick.lam) == (("average",), "none", 0.5)
    assert "learned" in best.match
    assert best.lam == "auto"


def test_without_data_all_efforts_are_one() -> None:
    plain, based = (
        {trials_of(recipe(effort, dataset=None, **given)) for effort in EVERY}
        for given in ({}, {"base": "org/c"})
    )
    (found,), (tied,) = plain, based
    assert (found.fuse, found.refine, found.lam) == (("average",), "none", 0.5)
    assert tied.fuse == ("ties",)


def test_an_option_replaces_its_own_part_alone() -> None:
    assert len({trials_of(recipe(effort, **NAMED)) for effort in EVERY}) == 1
    for field in ("match", "fuse", "refine"):
        left, found = trials_of(recipe()), trials_of(recipe(**{field: NAMED[field]}))
        own = {n for n in Trials.model_fields if getattr(left, n) != getattr(found, n)}
        assert {name.partition("_")[0] for name in own} == {field}
    assert trials_of(recipe("best", lam=0.5)).lam == 0.5
    assert trials_of(recipe(refine_steps=7)).refine_steps == 7
    assert trials_of(recipe("quick", refine="distill")).refine_steps > 0


@pytest.mark.parametrize("fields", [{"heads": "join"}, {"only": ("x",)}, {"keep": ("x",)}])
def test_what_refinement_does_not_go_with_leaves_it_out(fields: dict[str, object]) -> None:
    assert trials_of(recipe(**fields)).refine == "none"


def test_outputs_that_cannot_be_taught_and_large_models_are_left_out_and_named() -> None:
    most = EFFORTS["standard"].refine_parameters
    assert leaves_out_refinement(recipe(), one_of_n=True, parameters=most) is None
    assert "distribution" in leaves_out_refinement(recipe(), one_of_n=False, parameters=1)
    assert f"{most + 1:,}" in leaves_out_refinement(recipe(), one_of_n=True, parameters=most + 1)
    named = recipe(refine="distill")  # is refused elsewhere, and never left out
    assert leaves_out_refinement(named, one_of_n=False, parameters=most + 1) is None


@pytest.mark.parametrize("effort", EVERY)
def test_what_is_recorded_holds_whatever_the_table_says(
    effort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = methods_of(recipe(effort)).trials
    written = recipe(effort).model_copy(update={"trials": trials}).to_yaml()
    assert yaml.safe_load(written)["effort"] == effort
    for other in EVERY:
        monkeypatch.setitem(EFFORTS, other, EFFORTS["quick"])
    again = recipe_in(yaml.safe_load(written))
    assert methods_of(again).trials == trials
