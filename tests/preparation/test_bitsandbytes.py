"""What bitsandbytes stores in 4 bits is merged as what it makes of it itself.

`recorded_by_bitsandbytes/` holds tiny Llamas that transformers 5 saved with bitsandbytes 0.50.2 on
a CPU, and beside each the sha256 of every tensor that `dequantize()` made of it there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import hubmerge as hm
from hubmerge.errors import WeightsError
from hubmerge.pipeline.plan import plan
from hubmerge.recipe import Recipe, make_recipe

RECORDED = Path(__file__).parent / "recorded_by_bitsandbytes"
WEIGHT = "model.layers.0.mlp.up_proj.weight"
STATE = f"{WEIGHT}.quant_state.bitsandbytes__nf4"


@pytest.mark.parametrize("kind", ["nf4", "fp4-nested"])
def test_every_bit_is_that_of_bitsandbytes(kind: str, tmp_path: Path) -> None:
    one = str(RECORDED / kind)
    recipe = make_recipe(models=(one, one), match="none", lam=1.0, dequantize=True)
    wanted = json.loads((RECORDED / f"{kind}.json").read_text())
    made = hm.run(recipe, out=tmp_path / "out")
    found = load_file(made.folder / "model.safetensors")
    assert {name: sha256_of(value) for name, value in found.items()} == wanted
    assert plan(recipe).models[0].dtype == made.report.models[0].dtype
    assert made.report.models[0].quantised == "bitsandbytes in 4 bits"


def sha256_of(value: Tensor) -> str:
    return hashlib.sha256(value.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()


def changed(folder: Path, **tensors: Tensor) -> Recipe:
    shutil.copytree(RECORDED / "nf4", folder)
    stored = {**load_file(folder / "model.safetensors"), **tensors}
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    return make_recipe(models=(str(folder), str(folder)), match="none", dequantize=True)


def said(**fields: Any) -> Tensor:
    stored = load_file(RECORDED / "nf4" / "model.safetensors")[STATE]
    state = {**json.loads(bytes(stored.tolist())), **fields}
    return torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            {WEIGHT: torch.zeros(7, 1, dtype=torch.uint8)},
            r"\[7, 1\] of U8, its class has \[64, 64\]",
        ),
        ({f"{WEIGHT}.absmax": torch.ones(3)}, "3 sizes of 64 blocks"),
        ({f"{WEIGHT}.quant_map": torch.ones(2)}, "a table of 2"),
        ({STATE: said(blocksize=0)}, "blocksize 0"),
        ({STATE: said(shape=[32, 128])}, r"shape \[32, 128\], its class has \[64, 64\]"),
        ({STATE: torch.zeros(9, dtype=torch.uint8)}, "is no JSON"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(
    tensors: dict[str, Tensor], message: str, tmp_path: Path
) -> None:
    recipe = changed(tmp_path / "a", **tensors)
    with pytest.raises(WeightsError, match=message) as refused:
        hm.run(recipe, out=tmp_path / "out")
    assert WEIGHT in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_eight_bits_are_refused_with_the_command_that_undoes_them(tmp_path: Path) -> None:
    recipe = changed(tmp_path / "a")
    fields = json.loads((tmp_path / "a" / "config.json").read_text())
    fields["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    (tmp_path / "a" / "config.json").write_text(json.dumps(fields))
    with pytest.raises(WeightsError, match="bitsandbytes in 8 bits") as refused:
        plan(recipe)
    assert ".dequantize().save_pretrained" in (refused.value.hint or "")
    assert "dequantize=True" not in (refused.value.hint or "")
