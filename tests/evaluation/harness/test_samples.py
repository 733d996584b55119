"""Scores and paired differences come from the harness's logs, row by row."""

from __future__ import annotations

import numpy as np
import pytest

from hubmerge.evaluation.harness.samples import difference, task_log


def log(values: list[float], **changes: object):
    samples = [
        {"doc_id": number, "filter": "none", "acc": value} for number, value in enumerate(values)
    ]
    scores = {"alias": "quiz", "acc,none": float(np.mean(values)), "acc_stderr,none": "N/A"}
    found = task_log({**scores, **changes}, samples[::-1])
    assert found is not None
    return found


def test_rows_are_in_their_order_and_their_mean_is_the_score() -> None:
    found = log([1.0, 0.0, 1.0, 1.0])
    assert (found.metric, found.value, found.n) == ("acc", 0.75, 4)
    assert found.rows is not None
    assert found.rows.tolist() == [1.0, 0.0, 1.0, 1.0]


def test_a_score_that_is_no_mean_over_rows_has_no_rows() -> None:
    assert log([1.0, 0.0], **{"acc,none": 0.9}).rows is None
    other = task_log({"perplexity,none": 9.0}, [{"doc_id": 0, "perplexity": (1.0, 2)}])
    assert other is not None
    assert other.rows is None
    assert task_log({"alias": "x", "acc_stderr,none": 0.1}, []) is None


def test_a_certain_difference_has_bounds_that_hold_it() -> None:
    right, wrong = [1.0] * 60, [1.0] * 20 + [0.0] * 40
    found = difference(log(right), log(wrong), "naive")
    assert found.difference == pytest.approx(2 / 3)
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.difference < found.high < 1
    assert difference(log(right[:20]), log(wrong[:20]), "naive").low is None


def test_shares_of_rows_are_compared_too() -> None:
    draw = np.random.default_rng(0)
    left = draw.random(200)
    found = difference(log([*(left + 0.1)]), log([*left]), "parent_a")
    assert found.low == pytest.approx(0.1)


def test_other_rows_are_not_compared() -> None:
    with pytest.raises(ValueError, match="not evaluated alike"):
        difference(log([1.0]), log([1.0, 0.0]), "naive")
