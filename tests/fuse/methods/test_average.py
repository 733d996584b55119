"""Averages of tensors."""

from __future__ import annotations

import pytest
import torch

from hubmerge.errors import RecipeError
from hubmerge.fuse import find_fusion
from hubmerge.fuse.methods.average import average


def state(*values, dtype=torch.float64):
    return {"w": torch.tensor(values, dtype=dtype), "count": torch.tensor(len(values))}


def test_it_is_the_weighted_mean():
    found = average([state(1, 2), state(3, 6), state(9, 2)], [0.5, 0.25, 0.25])
    assert found["w"].tolist() == [3.5, 3.0]


def test_counters_come_from_the_first():
    found = average([state(1, 2), {"w": torch.zeros(2), "count": torch.tensor(7)}], [0.5, 0.5])
    assert found["count"] == 2
    assert found["count"].dtype == torch.int64


def test_a_weight_of_one_is_that_model_to_the_bit():
    odd = torch.tensor([-0.0, 1e-45, 3.4e38, -1.0])
    other = torch.tensor([1.0, 1.0, -3.4e38, 0.0])
    for weights, wanted in (([1, 0], odd), ([0, 1], other)):
        found = average([{"w": odd}, {"w": other}], weights)["w"]
        assert torch.equal(found, wanted)
        assert torch.equal(found.signbit(), wanted.signbit())


def test_weights_may_leave_the_simplex():
    found = average([state(1, 1), state(2, 2), state(4, 0)], [0.5, 1.0, -0.5])
    assert found["w"].tolist() == [0.5, 2.5]


def test_what_all_agree_on_stays():
    third = state(1 / 3, 0.1, dtype=torch.float32)
    assert torch.equal(average([third] * 3, [0.2, 0.3, 0.5])["w"], third["w"])


def test_a_difference_that_overflows_does_not_spoil_the_mean():
    found = average([state(6e4, dtype=torch.float16), state(-6e4, dtype=torch.float16)], [0.5, 0.5])
    assert found["w"].tolist() == [0.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_type_is_kept(dtype):
    found = average([state(1, 2, dtype=dtype), state(2, 4, dtype=dtype)], [0.5, 0.5])["w"]
    assert found.dtype == dtype
    assert found.tolist() == [1.5, 3.0]


@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.6], [0.2, 0.2, 0.6]])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(ValueError, match="summing to 1"):
        average([state(1), state(2)], weights)


def test_an_unknown_fusion_is_refused_with_the_names_there_are():
    with pytest.raises(RecipeError, match="'slurp'") as refused:
        find_fusion("slurp")
    assert "average" in (refused.value.found or "")
