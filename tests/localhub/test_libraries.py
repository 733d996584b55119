"""transformers, datasets and model cards, unmodified, in a process that knows only this Hub."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hubmerge.localhub import EmbeddedHub

SCRIPT = """
import torch
from datasets import Dataset, load_dataset
from huggingface_hub import HfApi, ModelCard, ModelCardData
from transformers import AutoModelForImageClassification, ViTConfig, ViTForImageClassification

config = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                   intermediate_size=32, image_size=8, patch_size=4, num_channels=1)
model = ViTForImageClassification(config).eval()
model.push_to_hub("me/tiny-vit")
sha = HfApi().model_info("me/tiny-vit").sha
again = AutoModelForImageClassification.from_pretrained("me/tiny-vit", revision=sha).eval()
x = torch.rand(2, 1, 8, 8)
assert torch.equal(model(x).logits, again(x).logits)

card = ModelCard.from_template(
    ModelCardData(license="mit", base_model=["me/tiny-vit"], tags=["merge"]),
    template_str="---\\n{{ card_data }}\\n---\\n# words\\n")
card.push_to_hub("me/tiny-vit")
assert ModelCard.load("me/tiny-vit").data.base_model == ["me/tiny-vit"]
assert HfApi().model_info("me/tiny-vit").library_name == "transformers"

rows = Dataset.from_dict({"x": [[0.5, 1.5]] * 20, "label": list(range(20))})
rows.push_to_hub("me/rows", private=True)
back = load_dataset("me/rows", split="train")
assert back["label"] == rows["label"] and back["x"] == rows["x"]
named = load_dataset("me/rows", data_files="data/*.parquet", split="train[:5]")
assert len(named) == 5
streamed = load_dataset("me/rows", split="train", streaming=True)
assert next(iter(streamed))["x"] == [0.5, 1.5]
print("all well")
"""


def test_an_environment_forgets_other_hubs(
    hub: EmbeddedHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT"):
        monkeypatch.setenv(name, "elsewhere")
    environment = hub.environment(tmp_path, token="")
    assert "elsewhere" not in environment.values()
    assert (environment["HF_ENDPOINT"], environment["HF_TOKEN"]) == (hub.url, "")
    assert environment["PATH"]


def test_libraries_work_unmodified(hub: EmbeddedHub, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", SCRIPT],
        env=hub.environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "all well" in done.stdout
