"""Small real data sets and models to measure with: scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, List, Value
from PIL import Image as Pillow
from sklearn.datasets import load_digits
from transformers import ResNetConfig, ResNetForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from hubmerge.models import MlpHeadConfig, MlpHeadForClassification

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture(scope="session")
def digits() -> tuple[list[Pillow.Image], list[list[float]], list[int]]:
    """Images 8 x 8 grey, the same as 64 numbers from 0 to 1, labels."""
    source = load_digits()
    images = [Pillow.fromarray((image * 15).astype(np.uint8)) for image in source.images]
    return images, (source.data / 16).tolist(), source.target.tolist()


@pytest.fixture
def write(tmp_path: Path, digits) -> Callable[..., Path]:
    """write({"train": 50, "test": 30}): a folder of parquet files with so many digits a split.

    kind: "image", "features", or "both"; label: a feature type, or None for no label column.
    secret: splits whose labels are -1.
    """
    images, vectors, targets = digits

    def make(
        splits: dict[str, int],
        *,
        kind: str = "image",
        label: object = ClassLabel(names=NAMES),
        secret: tuple[str, ...] = (),
        column: str = "label",
    ) -> Path:
        folder = tmp_path / "data"
        folder.mkdir()
        start, lines = 0, []
        for name, rows in splits.items():
            part = slice(start, start + rows)
            values, types = {}, {}
            if kind in ("image", "both"):
                values["image"], types["image"] = images[part], Image()
            if kind in ("features", "both"):
                values["embedding"], types["embedding"] = vectors[part], List(Value("float32"))
            if label is not None:
                as_text = isinstance(label, Value) and label.dtype == "string"
                here = [NAMES[t] if as_text else t for t in targets[part]]
                values[column] = [-1] * rows if name in secret else here
                types[column] = label
            table = Dataset.from_dict(values, features=Features(types))
            table.to_parquet(folder / f"{name}.parquet")
            lines.append(f"  - split: {name}\n    path: {name}.parquet\n")
            start += rows
        text = "---\nconfigs:\n- config_name: default\n  data_files:\n" + "".join(lines) + "---\n"
        (folder / "README.md").write_text(text)
        return folder

    return make


@pytest.fixture
def head() -> MlpHeadForClassification:
    torch.manual_seed(0)
    config = MlpHeadConfig(input_size=64, hidden_sizes=[16], id2label=dict(enumerate(NAMES)))
    return MlpHeadForClassification(config).eval()


@pytest.fixture
def resnet() -> ResNetForImageClassification:
    torch.manual_seed(0)
    config = ResNetConfig(
        num_channels=1,
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        layer_type="basic",
        id2label=dict(enumerate(NAMES)),
    )
    return ResNetForImageClassification(config).eval()


@pytest.fixture
def processor() -> ViTImageProcessorPil:
    return ViTImageProcessorPil(
        size={"height": 8, "width": 8}, image_mean=[0.3], image_std=[0.4], resample=2
    )
