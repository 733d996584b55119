"""Tensors agree, agree nearly, or are named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from hubmerge.verification.result import Check, Outcome
from hubmerge.verification.rounding import LAST_PLACE
from hubmerge.verification.tensors import compare_tensors

WEIGHT = torch.linspace(-2, 2, 41).reshape(1, 41)


def compared(tmp: Path, said: dict[str, Tensor], found: dict[str, Tensor]) -> list[Check]:
    save_file(said, tmp / "said.safetensors")
    save_file(found, tmp / "found.safetensors")
    return compare_tensors("weights", [tmp / "said.safetensors"], [tmp / "found.safetensors"])


def off_by(share: float, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """One element off by a share of the largest."""
    moved = WEIGHT.clone()
    moved[0, 5] += 2 * share
    return {"w": moved.to(dtype), "same": torch.ones(3)}


def test_the_same_tensors_in_other_files_are_identical(tmp_path: Path) -> None:
    (check,) = compared(tmp_path, off_by(0), off_by(0))
    assert check.outcome is Outcome.IDENTICAL
    assert check.what == "said.safetensors: 2 of 2 tensors"


def test_the_last_bits_are_another_machines(tmp_path: Path) -> None:
    (check,) = compared(tmp_path, off_by(1e-5), off_by(0))
    assert check.outcome is Outcome.EQUIVALENT
    assert check.deviation == pytest.approx(1e-5 / LAST_PLACE, rel=0.1)


def test_one_changed_element_is_reported_by_its_tensor(tmp_path: Path) -> None:
    alike, other = compared(tmp_path, off_by(0.01), off_by(0))
    assert alike.what == "said.safetensors: 1 of 2 tensors"
    assert (other.what, other.outcome) == ("w", Outcome.DOES_NOT_HOLD)
    assert other.why == "1 of 41 elements are off"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_may_round_the_other_way(tmp_path: Path, dtype: torch.dtype) -> None:
    near = off_by(0, dtype)
    near["w"][0, 5] = torch.nextafter(near["w"], torch.full_like(near["w"], 9))[0, 5]
    assert {c.outcome for c in compared(tmp_path, off_by(0, dtype), near)} == {Outcome.EQUIVALENT}


@pytest.mark.parametrize(
    "other",
    [
        {"w": WEIGHT.half(), "same": torch.ones(3)},
        {"w": WEIGHT.reshape(41, 1), "same": torch.ones(3)},
        {"w": WEIGHT * torch.nan, "same": torch.ones(3)},
        {"w": WEIGHT.long(), "same": torch.ones(3)},
        {"same": torch.ones(3)},
    ],
    ids=["dtype", "shape", "nan", "whole numbers", "missing"],
)
def test_what_is_another_tensor(tmp_path: Path, other: dict[str, Tensor]) -> None:
    for pair in ((off_by(0), other), (other, off_by(0))):
        wrong = [c.what for c in compared(tmp_path, *pair) if c.outcome is Outcome.DOES_NOT_HOLD]
        assert wrong == ["w"]


def test_whole_numbers_agree_exactly(tmp_path: Path) -> None:
    said, found = ({"p": torch.tensor(order)} for order in ([0, 1, 2], [0, 2, 1]))
    (check,) = compared(tmp_path, said, found)
    assert (check.outcome, check.why) == (Outcome.DOES_NOT_HOLD, "2 of 3 differ")


def test_what_was_not_made_again_is_not_taken_for_good(tmp_path: Path) -> None:
    save_file(off_by(0), tmp_path / "said.safetensors")
    save_file(off_by(0.1), tmp_path / "found.safetensors")
    paths = ([tmp_path / "said.safetensors"], [tmp_path / "found.safetensors"])
    checks = compare_tensors("weights", *paths, unknown=lambda name: name == "w")
    assert [check.outcome for check in checks] == [Outcome.IDENTICAL, Outcome.NOT_CHECKED]


def test_a_tensor_in_two_files_is_neither(tmp_path: Path) -> None:
    save_file(off_by(0), tmp_path / "found.safetensors")
    save_file({"w": WEIGHT}, tmp_path / "more.safetensors")
    said = [tmp_path / "found.safetensors", tmp_path / "more.safetensors"]
    checks = compare_tensors("weights", said, [tmp_path / "found.safetensors"])
    (wrong,) = [check for check in checks if check.outcome is Outcome.DOES_NOT_HOLD]
    assert (wrong.what, wrong.why) == ("w", "it lies in two files")


def test_a_damaged_file_does_not_hold(tmp_path: Path) -> None:
    save_file(off_by(0), tmp_path / "found.safetensors")
    whole = (tmp_path / "found.safetensors").read_bytes()
    (tmp_path / "said.safetensors").write_bytes(whole[:-10])
    (check,) = compare_tensors(
        "weights", [tmp_path / "said.safetensors"], [tmp_path / "found.safetensors"]
    )
    assert check.outcome is Outcome.DOES_NOT_HOLD
