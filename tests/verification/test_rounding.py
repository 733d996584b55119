"""Rounding passes in every dtype, and a chosen change does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hubmerge.verification.rounding import CLOSED, FITTED, LAST_PLACE, Lean, difference

SHAPES = ((48, 32), (32, 16, 3, 3), (64,))
FLOATS = (torch.float32, torch.float16, torch.bfloat16)


def model(seed: int = 0) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in SHAPES]


def unit(weights: Tensor) -> float:
    return LAST_PLACE * float(weights.abs().max())


def noise(weights: Tensor, seed: int, places: float) -> Tensor:
    """Of that size on average, with tails."""
    draw = torch.Generator().manual_seed(seed)
    drawn = torch.randn(weights.shape, generator=draw, dtype=torch.float64)
    drawn *= torch.rand(weights.shape, generator=draw, dtype=torch.float64)
    return drawn / drawn.abs().mean() * places * unit(weights)


def judged(ours: list[Tensor], theirs: list[Tensor], dtype: torch.dtype) -> tuple[bool, list[str]]:
    """Whether all tensors pass, and how they lean, as they are stored."""
    lean, small = Lean(), True
    for found, said in zip(ours, theirs, strict=True):
        stored = said.to(dtype), found.to(dtype)
        small = small and difference(*stored, FITTED).is_small
        lean.add(*stored)
    return small, lean.reasons


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("places", [1, 30, 500])
def test_noise_passes(dtype: torch.dtype, places: float) -> None:
    for seed in range(5):
        ours = model(seed)
        theirs = [each + noise(each, seed + 9, places) for each in ours]
        assert judged(ours, theirs, dtype) == (True, [])


@pytest.mark.parametrize("dtype", FLOATS)
def test_units_that_round_as_one_pass(dtype: torch.dtype) -> None:
    """The scale of a unit is one number: all of its row moves with it, along the weights."""
    for seed in range(5):
        ours = model(seed)
        theirs = []
        for each in ours:
            draw = torch.Generator().manual_seed(seed)
            scales = 1 + 30 * LAST_PLACE * torch.randn(len(each), generator=draw).double()
            theirs.append(each * scales.reshape(-1, *[1] * (each.ndim - 1)))
        assert judged(ours, theirs, dtype) == (True, [])


def test_steps_along_signs_have_one_size() -> None:
    """Three of them, whichever way each went."""
    draw = torch.Generator().manual_seed(0)
    ours = model()
    for spread in (1, 2):  # every step the same way, or one in two the other
        theirs = [
            each
            + (torch.randn(each.shape, generator=draw).sign().double() * 300 * unit(each))
            * (1 if spread == 1 else 1.2)
            for each in ours
        ]
        small, reasons = judged(ours, theirs, torch.float32)
        assert small
        assert "have one size within a tensor" in reasons[0]


def test_a_thousandth_of_the_largest_element_is_not_rounding() -> None:
    """The tolerance once: each of three steps within it."""
    draw = torch.Generator().manual_seed(0)
    for each in model():
        signs = torch.randn(each.shape, generator=draw).sign().double()
        off = difference((each + signs * 1e-3 * each.abs().max()).float(), each.float(), FITTED)
        assert not off.is_small


def test_weights_that_were_scaled_lean_along_themselves() -> None:
    ours = model()
    theirs = [each * (1 + 1e-4) for each in ours]
    small, reasons = judged(ours, theirs, torch.float32)
    assert small
    assert "lean along the weights: cosine +1.00" in " ".join(reasons)


def test_differences_of_one_sign_lean() -> None:
    ours = model()
    theirs = [each + noise(each, 1, 100).abs() for each in ours]
    _, reasons = judged(ours, theirs, torch.float32)
    assert "lean to one sign" in " ".join(reasons)


@pytest.mark.parametrize("dtype", FLOATS[1:])
def test_one_rounding_step_everywhere_is_too_much(dtype: torch.dtype) -> None:
    """Rounding moves few elements to the other side of a step; who steers moves them all."""
    for each in model():
        ours = each.to(dtype)
        up = torch.nextafter(ours, torch.full_like(ours, 9))
        assert not difference(up, ours, CLOSED).is_small
        few = ours.clone()
        few.view(-1)[:2] = up.view(-1)[:2]
        assert difference(few, ours, CLOSED).is_small


def test_what_is_no_number_is_never_small() -> None:
    ours = model()[0].float()
    theirs = ours.clone()
    theirs[0, 0] = torch.nan
    assert not difference(theirs, ours, FITTED).is_small
    assert not difference(ours, theirs, FITTED).is_small
