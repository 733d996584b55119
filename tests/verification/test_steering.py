"""What moves answers further than chance was chosen; rounding moves them less."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.verification.result import Outcome
from hubmerge.verification.steering import MOST, check_steering
from tests.helpers.small_models import tiny_vit

SIZE = 1e-5
"""Of a difference, as a share of its tensor's largest element."""


def rows() -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {"pixel_values": torch.randn(20, 3, 8, 8, generator=draw)}


def moved(model: PreTrainedModel, away: dict[str, Tensor]) -> PreTrainedModel:
    other = copy.deepcopy(model)
    with torch.no_grad():
        for name, value in other.named_parameters():
            value += away[name] * SIZE * value.abs().max()
    return other


def gradients(model: PreTrainedModel) -> dict[str, Tensor]:
    loss = torch.nn.functional.cross_entropy(model(**rows()).logits, torch.arange(20) % 3)
    loss.backward()
    found = {name: value.grad for name, value in model.named_parameters()}
    model.zero_grad()
    return {name: value for name, value in found.items() if value is not None}


def test_noise_does_not_steer() -> None:
    model = tiny_vit().eval()
    draw = torch.Generator().manual_seed(1)
    away = {n: torch.randn(v.shape, generator=draw) for n, v in model.named_parameters()}
    (check,) = check_steering(moved(model, away), model, rows())
    assert check.outcome is Outcome.EQUIVALENT
    assert check.deviation is not None
    assert check.deviation < 2


@pytest.mark.parametrize("signs", [True, False])
def test_a_gradient_steers_at_any_size(signs: bool) -> None:
    """As steps along its signs, or in its own proportions, which no statistic of sizes shows."""
    model = tiny_vit().eval()
    found = gradients(model)
    away = {
        n: v.sign() if signs else v / v.square().mean().sqrt().clamp(min=1e-9)
        for n, v in found.items()
    }
    (check,) = check_steering(moved(model, away), model, rows())
    assert check.outcome is Outcome.DOES_NOT_HOLD
    assert check.deviation is not None
    assert check.deviation > MOST


def test_equal_models_are_not_compared() -> None:
    model = tiny_vit().eval()
    assert check_steering(copy.deepcopy(model), model, rows()) == []
