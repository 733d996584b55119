"""Merges of networks of a few hundred weights, made and published as users do it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Dataset, Features, List, Value

from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.write import write_report

NAMES = ["zero", "one", "two", "three", "four"]
INPUTS = 12


def write_mlp(folder: Path, seed: int) -> Path:
    """A classifier of 12 features with two hidden layers of 16."""
    torch.manual_seed(seed)
    labels = {
        "id2label": dict(enumerate(NAMES)),
        "label2id": {name: index for index, name in enumerate(NAMES)},
    }
    model = MlpHeadForClassification(
        MlpHeadConfig(input_size=INPUTS, hidden_sizes=[16, 16], **labels)
    )
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A parent\n")
    return folder


def write_rows(folder: Path, count: int = 120) -> Path:
    """Rows of features around one centre per class."""
    draw = np.random.default_rng(0)
    labels = np.arange(count) % len(NAMES)
    rows = draw.normal(size=(len(NAMES), INPUTS))[labels] + draw.normal(size=(count, INPUTS))
    kinds = Features(features=List(Value("float32")), label=ClassLabel(names=NAMES))
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        data = Dataset.from_dict({"features": rows, "label": labels}, features=kinds)
        data.to_parquet(folder / f"{split}.parquet")
    return folder


def rewrite_report(folder: Path, **changes: Any) -> None:
    """A careful cheat's: other values in report.json, and the card to it."""
    content = json.loads((folder / "report.json").read_text()) | changes
    write_report(Report.model_validate(content), folder)


def rehash(folder: Path, *names: str) -> None:
    """Has the report speak of these files of weights as they are now."""
    hashes = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names}
    rewrite_report(folder, weights_sha256=hashes)
