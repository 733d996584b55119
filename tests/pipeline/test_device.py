"""Models on disk are matched and measured on an accelerator, where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from transformers import PreTrainedModel

from hubmerge.models import lookup
from hubmerge.pipeline import load
from hubmerge.recipe import make_recipe
from tests.helpers import texts
from tests.helpers.played_device import DEVICE, There, played_device
from tests.pipeline.test_measured_on_disk import FEW, MATCHED, evaluated, parents


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "options"),
    [(texts.gpt2, {"fuse": "slerp"}), (texts.llama, MATCHED | {"calibration_samples": 8})],
    ids=["measured", "matched"],
)
def test_figures_on_an_accelerator_are_those_of_the_cpu_where_it_rounds_as_it_does(
    build: Callable[[], PreTrainedModel],
    options: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = str(texts.data(tmp_path / "texts"))
    a, b = parents(build, tmp_path, 2)
    recipe = make_recipe(models=(a, b), dataset=data, **FEW | {"fuse": "average"} | options)
    monkeypatch.setattr(load, "load_source", None)  # nothing is loaded
    here = evaluated(recipe, tmp_path / "out")
    monkeypatch.setattr(Accelerator, "device", DEVICE)
    looked_up: list[type] = []
    found = lookup._Lookup.__getitem__

    def watched(own: Any, name: str) -> torch.Tensor:
        value = found(own, name)
        looked_up.append(type(value))
        return value

    monkeypatch.setattr(lookup._Lookup, "__getitem__", watched)
    with played_device():
        there = evaluated(recipe.replace(device=DEVICE.type), tmp_path / "out")
    assert there.scores == here.scores
    assert there.naive == here.naive
    assert There in looked_up
