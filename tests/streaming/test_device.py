"""Fusions compute where they are told to, and on one device alone."""

from pathlib import Path

import pytest
import torch

from hubmerge.fuse import Given, fusions
from hubmerge.streaming import Checkpoint
from hubmerge.streaming.fuse import Work, fused_tensor
from hubmerge.utils.processor import CPU
from tests.helpers.played_device import There, played_device
from tests.streaming.test_fuse import TENSORWISE, checkpoint


def work(name: str, folder: Path, device: torch.device) -> Work:
    fusion = fusions()[name]
    count = 2 if fusion.pair else 3
    for seed in (*range(count), 9):
        if not (folder / f"p{seed}").exists():
            checkpoint(folder / f"p{seed}", seed).close()
    return Work(
        fusion=fusion,
        parents=tuple(Checkpoint(folder / f"p{seed}") for seed in range(count)),
        base=Checkpoint(folder / "p9") if fusion.needs_base else None,
        weights=(0.3, 0.7) if fusion.pair else (0.5, 0.3, 0.2),
        given=Given(seed=5),
        device=device,
    )


@pytest.mark.parametrize("name", TENSORWISE)
def test_every_tensor_of_a_fusion_is_on_its_device(name: str, tmp_path: Path) -> None:
    here = work(name, tmp_path, CPU)
    slots = here.slots()
    expected = [fused_tensor(here, slot) for slot in slots]
    with played_device() as device:
        there = work(name, tmp_path, device)
        found = [fused_tensor(there, slot) for slot in slots]
    for slot, one, other in zip(slots, found, expected, strict=True):
        assert type(one) is torch.Tensor
        assert torch.equal(one, other), slot.name


def test_the_played_device_refuses_what_a_real_one_does() -> None:
    value = torch.ones(2)
    with played_device() as device:
        there = value.to(device)
        assert isinstance(there + 1, There)
        with pytest.raises(RuntimeError, match="two devices"):
            there + value
        with device, pytest.raises(RuntimeError, match="generator"):
            torch.rand(2, generator=torch.Generator())
