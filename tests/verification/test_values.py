"""Figures agree, nearly agree or disagree; and nothing of a report escapes comparison."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubmerge.verification.remade import check_report, measured_parts
from hubmerge.verification.result import Outcome
from hubmerge.verification.values import RELATIVE, compare, settled, tolerance
from tests.helpers.example_report import example, of_other_labels, of_three, surveyed, unmeasured

ABOUT_A_RUN = {"run", "published", "schema_version", "weights_sha256", "verdict_sentence"}
"""Blocks that two runs of one recipe may differ in, or that are checked elsewhere."""
REPORTS = {
    "two": example(),
    "three": of_three(),
    "surveyed": surveyed(),
    "unmeasured": unmeasured(),
    "other labels": of_other_labels(),
}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    match value:
        case dict():
            return [leaf for name in value for leaf in leaves(value[name], (*path, name))]
        case list():
            return [leaf for i, each in enumerate(value) for leaf in leaves(each, (*path, i))]
        case _:
            return [path]


@pytest.mark.parametrize("name", REPORTS)
def test_the_same_report_is_identical(name: str) -> None:
    report = REPORTS[name]
    checks = check_report(report, report, measured=True)
    assert {check.outcome for check in checks} == {Outcome.IDENTICAL}


@pytest.mark.parametrize("name", REPORTS)
def test_every_leaf_of_a_report_is_compared(name: str) -> None:
    content = json.loads(REPORTS[name].to_json())
    wanted = [
        path for path in leaves(content) if path[0] not in ABOUT_A_RUN and path[-1] != "revision"
    ]
    checks = check_report(REPORTS[name], REPORTS[name], measured=True)
    assert len(checks) == len(wanted)
    assert len({(check.part, check.what) for check in checks}) == len(checks)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (("contenders", "naive", "loss"), "contenders.naive.loss"),
        (("barrier", "detail", "matched", "points", 3, "loss"), "points[lam=0.3].loss"),
        (("comparisons", 1, "accuracy_low"), "comparisons[parent_b].accuracy_low"),
        (("method", "spaces", 2, "moved"), "method.spaces[stages.2.x].moved"),
        (("data", "evaluation", "fingerprint"), "data.evaluation.fingerprint"),
        (("models", 0, "sha"), "models[0].sha"),
        (("licence", "license"), "licence.license"),
    ],
)
def test_one_leaf_that_is_another_is_named(path: tuple[Any, ...], what: str) -> None:
    content = json.loads(example().to_json())
    found = json.loads(example().to_json())
    inner = found
    for step in path[:-1]:
        inner = inner[step]
    old = inner[path[-1]]
    inner[path[-1]] = old + "x" if isinstance(old, str) else old + 1
    part = str(path[0])
    (check,) = [
        check
        for check in compare(part, content[part], found[part], at=part)
        if check.outcome is not Outcome.IDENTICAL
    ]
    assert check.outcome is Outcome.DOES_NOT_HOLD
    assert check.what.endswith(what)
    assert check.said == old


def outcome(said: Any, found: Any, figure: str = "loss", rows: int = 0) -> Outcome:
    (check,) = compare("part", said, found, at=figure, rows=rows)
    return check.outcome


def test_a_row_on_the_boundary_is_another_machines_a_tenth_of_all_is_not() -> None:
    assert outcome(0.890, 0.891, "merge.accuracy", rows=1000) is Outcome.EQUIVALENT
    assert outcome(0.89, 0.90, "merge.accuracy", rows=1000) is Outcome.DOES_NOT_HOLD
    assert outcome(0.89, 0.90, "merge.accuracy", rows=100) is Outcome.EQUIVALENT
    (check,) = [
        c
        for c in compare("contenders", {"accuracy": 0.89, "n": 50}, {"accuracy": 0.92, "n": 50})
        if c.what == "accuracy"
    ]
    assert (check.outcome, check.tolerance) == (Outcome.EQUIVALENT, 2 / 50)


@pytest.mark.parametrize(
    ("losses", "held"),
    [
        ([(0.5, 0.5), (0.7, 0.7)], False),
        ([(0.5, 0.5), (0.7, 0.7 + 1e-9)], False),
        ([(0.5, 0.5), (0.7, 0.7 + 1e-9), (0.9, 0.9 - 1e-9)], True),
        ([], True),
    ],
)
def test_a_row_is_no_other_machines_where_losses_came_out_to_the_last_bit(
    losses: list[tuple[float, float]], held: bool
) -> None:
    """Most of them: a machine that computes them so does not find one row otherwise."""
    said, found = ({f"loss_{i}": pair[side] for i, pair in enumerate(losses)} for side in (0, 1))
    checks = settled(
        [*compare("part", said, found), *compare("part", 0.890, 0.891, at="accuracy", rows=1000)]
    )
    outcomes = {check.what: check.outcome for check in checks}
    expected = Outcome.EQUIVALENT if held else Outcome.DOES_NOT_HOLD
    assert outcomes["accuracy"] is expected
    assert {outcomes[name] for name in said} <= {Outcome.IDENTICAL, expected}


def test_surveys_are_said_not_to_be_checked_where_there_are_any() -> None:
    assert set(measured_parts(surveyed())) - set(measured_parts(example())) == {"surveys"}
    assert set(measured_parts(unmeasured())) == set(measured_parts(example()))


def test_error_barriers_are_shares_but_for_where_they_are() -> None:
    for figure in ("value", "low", "high"):
        at = f"barrier.detail.naive.error_barrier.{figure}"
        assert outcome(0.30, 0.31, at, rows=100) is Outcome.EQUIVALENT
        assert outcome(0.30, 0.31, at.replace("error_", ""), rows=100) is Outcome.DOES_NOT_HOLD
    assert outcome(0.30, 0.31, "error_barrier.at", rows=100) is Outcome.DOES_NOT_HOLD


@pytest.mark.parametrize(
    ("said", "found"),
    [(1, 1.0), (1, True), (None, 0.0), (0.5, None), ("a", "b"), (3, 4), ([1], [1, 2]), ({}, [])],
)
def test_what_is_no_number_with_a_fraction_agrees_exactly_or_not(said: Any, found: Any) -> None:
    assert outcome(said, found) is Outcome.DOES_NOT_HOLD


def test_a_field_that_only_one_side_has_is_named() -> None:
    checks = list(compare("part", {"a": 1, "b": 2}, {"a": 1, "c": 3}))
    assert [(c.what, c.outcome.value) for c in checks] == [
        ("a", "identical"),
        ("b", "does not hold"),
        ("c", "does not hold"),
    ]


@given(st.floats(-1e6, 1e6), st.floats(-2, 2), st.integers(1, 10**6))
def test_the_tolerance_is_the_line(value: float, units: float, rows: int) -> None:
    """Beyond it nothing holds, and within it everything does."""
    for figure in ("loss", "accuracy"):
        allowed = tolerance(figure, value, rows)
        found = value + units * allowed
        (check,) = compare("part", value, found, at=figure, rows=rows)
        away = abs(found - value)
        assert (check.outcome is Outcome.DOES_NOT_HOLD) == (away > allowed)
    assert tolerance("loss", value, rows) >= RELATIVE
