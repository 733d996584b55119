"""A published recipe decides what is merged, and nothing about this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hubmerge.recipe import Recipe, Trials
from hubmerge.reporting.schema.report import Report
from hubmerge.verification.limits import too_much_work
from hubmerge.verification.recorded import Replay, check_said_twice, check_sources, recorded, replay
from hubmerge.verification.result import Outcome
from tests.helpers.example_report import example, parent

A, B, D = f"org/left@{'a' * 40}", f"org/right@{'b' * 40}", f"org/pictures@{'d' * 40}"


def recipe(**changes: Any) -> Recipe:
    """That of `example()`, as it is published."""
    return Recipe(**{"models": (A, B), "dataset": D, **changes})


def by(**changes: Any) -> Report:
    """`example()` with another method."""
    plain = {"fuse": "average", "repair": "batchnorm", **changes}
    return example(method=example().method.model_copy(update=plain))


def test_recipe_and_report_name_the_same() -> None:
    checks = check_sources(recipe(), example())
    assert [check.what for check in checks] == ["model_a", "model_b", "dataset"]
    assert {check.outcome for check in checks} == {Outcome.IDENTICAL}


@pytest.mark.parametrize(
    ("changes", "role"),
    [
        ({"models": (A, f"org/right@{'e' * 40}")}, "model_b"),
        ({"models": (f"evil/left@{'a' * 40}", B)}, "model_a"),
        ({"models": ("org/left", B)}, "model_a"),
        ({"dataset": f"org/others@{'d' * 40}"}, "dataset"),
        ({"dataset": None}, "dataset"),
    ],
)
def test_another_source_is_named_by_its_role(changes: dict[str, Any], role: str) -> None:
    wrong = [
        check.what
        for check in check_sources(recipe(**changes), example())
        if check.outcome is Outcome.DOES_NOT_HOLD
    ]
    assert wrong == [role]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, set()),
        ({"arithmetic": 1}, set()),
        ({"arithmetic": 2}, {"arithmetic"}),
        ({"eval": ("arc_easy",)}, {"eval"}),
    ],
)
def test_what_a_recipe_says_that_only_the_report_decides(
    changes: dict[str, Any], wrong: set[str]
) -> None:
    """A benchmark that is missing from the report was left out of it, or never run."""
    checks = check_said_twice(recipe(**changes), example())
    assert {c.what for c in checks if c.outcome is Outcome.DOES_NOT_HOLD} == wrong


def test_folders_are_reported_by_name_and_hash() -> None:
    sha = "local-" + "a" * 40
    report = example(models=[parent("left", "a", kind="local", sha=sha), example().models[1]])
    named = recipe(models=(f"left@{sha}", B))
    assert {check.outcome for check in check_sources(named, report)} == {Outcome.IDENTICAL}


@pytest.mark.parametrize("ref", ["/etc", "left", "org/left@main", "local-" + "a" * 40])
def test_what_is_no_state_does_not_hold_even_if_both_name_it(ref: str) -> None:
    name, _, sha = ref.rpartition("@")
    report = example(models=[parent(name, "a", sha=sha), example().models[1]])
    checks = check_sources(recipe(models=(f"{name}@{sha}", B)), report)
    assert [c.what for c in checks if c.outcome is Outcome.DOES_NOT_HOLD] == ["model_a"]
    assert recorded(recipe(), report, Path(), trust_remote_code=False) is None


def test_what_is_made_again_is_what_the_report_records(tmp_path: Path) -> None:
    theirs = recipe(
        models=("org/left@main", f"org/right@{'e' * 40}"),
        dataset="org/pictures",
        trust_remote_code=True,
        alignment=str(tmp_path / "merge" / ".." / ".." / "alignment.safetensors"),
    )
    wanted = recorded(theirs, example(), tmp_path / "merge", trust_remote_code=False)
    assert wanted is not None
    assert wanted.models == (A, B)
    assert wanted.dataset is not None
    assert wanted.dataset.id == D
    assert not wanted.trust_remote_code
    assert wanted.alignment == str(tmp_path / "merge" / "alignment.safetensors")


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"learning_steps": 10**6, "match": "learned"}, "learning_steps"),
        ({"fuse": "karcher", "fuse_options": {"max_iter": "1e6"}}, "max_iter"),
        ({"fuse": "karcher", "fuse_options": {"max_iter@mlp": (1.0, 1e6)}}, "max_iter@mlp"),
        (
            {"trials": Trials(match=("weights",), fuse=("average",), refine="distill")}
            | {"refine_steps": 10**6},
            "refine_steps",
        ),
        (
            {
                "trials": Trials(
                    match=("weights",), fuse=("average",), refine="distill", refine_steps=10**6
                )
            },
            "refine_steps",
        ),
    ],
)
def test_endless_work_is_not_done_wherever_it_is_asked_for(
    changes: dict[str, Any], asked: str
) -> None:
    assert too_much_work(recipe()) is None
    assert str(too_much_work(recipe(**changes))).startswith(f"it asks for {asked}: 1,000,000;")


def test_a_replay_takes_the_alignment_and_no_data(tmp_path: Path) -> None:
    (tmp_path / "alignment.safetensors").touch()
    way = replay(recipe(lam="auto", samples=7), by(lam=0.3), tmp_path)
    assert isinstance(way, Replay)
    assert way.recipe.alignment == str(tmp_path / "alignment.safetensors")
    assert (way.recipe.dataset, way.recipe.lam) == (None, 0.3)
    assert way.unknown("stem.norm.running_var")
    assert not way.unknown("stem.norm.weight")


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"fuse": "least-squares"}, "fusing by least-squares"), ({"repair": "repair"}, "repair")],
)
def test_what_takes_data_is_not_replayed(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    (tmp_path / "alignment.safetensors").touch()
    reason = replay(recipe(), by(**changes), tmp_path)
    assert isinstance(reason, str)
    assert why in reason


def test_without_an_alignment_there_is_no_replay_unless_nothing_was_matched(
    tmp_path: Path,
) -> None:
    assert isinstance(replay(recipe(), by(), tmp_path), str)
    way = replay(recipe(match="none"), by(match="none"), tmp_path)
    assert isinstance(way, Replay)
    assert (way.recipe.match, way.recipe.alignment) == ("none", None)
