"""Small parents and data for the command line: really trained, for a second or two each."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from filelock import FileLock
from sklearn.datasets import load_digits
from torch.nn import functional as F
from transformers import (
    AutoModelForImageClassification,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from hubmerge.demo.digits import NAMES, digits
from hubmerge.demo.train import PARENT_CONFIGS, ParentConfig, processor, train
from hubmerge.localhub import EmbeddedHub
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification

TRAIN_ROWS, TEST_ROWS = 800, 300
LICENCE = "apache-2.0"
FAMILIES = ("mlp", "resnet", "vit")
BY_WEIGHTS = ("--match", "weights", "--repair", "none")
"""The cheapest merge that matches; without data the default looks at many synthetic images."""
MODEL_TYPES = {"mlp": "mlp_head", "resnet": "resnet", "vit": "vit"}


def mlp(labels: dict[str, Any], **changes: Any) -> PreTrainedModel:
    fields = {"input_size": 192, "hidden_sizes": [32, 32], **labels, **changes}
    return MlpHeadForClassification(MlpHeadConfig(**fields))


def resnet(labels: dict[str, Any], **changes: Any) -> PreTrainedModel:
    fields = {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 1]}
    return ResNetForImageClassification(
        ResNetConfig(**(fields | {"layer_type": "basic"} | labels | changes))
    )


def vit(labels: dict[str, Any], **changes: Any) -> PreTrainedModel:
    fields = {
        "image_size": 8,
        "patch_size": 4,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    return ViTForImageClassification(ViTConfig(**(fields | labels | changes)))


BUILDERS: dict[str, Callable[..., PreTrainedModel]] = {"mlp": mlp, "resnet": resnet, "vit": vit}
EPOCHS = {"mlp": 12, "resnet": 5, "vit": 16}


def labelled(names: list[str] = NAMES) -> dict[str, Any]:
    """Label maps of a configuration."""
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: index for index, name in enumerate(names)},
    }


def course(family: str) -> ParentConfig:
    """The demo's course of that name with a smaller network and fewer epochs."""
    known = {course.name: course for course in PARENT_CONFIGS}[family]
    return replace(known, build=BUILDERS[family], epochs=EPOCHS[family])


def rows() -> DatasetDict:
    """The demo's digits, fewer of them."""
    return DatasetDict(_rows())


@cache
def _rows() -> DatasetDict:
    splits = digits(test=500, validation=0)
    return DatasetDict(
        train=splits["train"].select(range(TRAIN_ROWS)),
        test=splits["test"].select(range(TEST_ROWS)),
    )


def write_data(folder: Path, splits: DatasetDict) -> Path:
    """As the Hub keeps a data set: parquet files and a card that says how many rows they hold."""
    folder.mkdir(parents=True)
    for name, part in splits.items():
        part.to_parquet(folder / f"{name}.parquet")
    files = "".join(f"  - split: {name}\n    path: {name}.parquet\n" for name in splits)
    sizes = "".join(
        f"  - name: {name}\n    num_bytes: 1\n    num_examples: {len(part)}\n"
        for name, part in splits.items()
    )
    card = f"configs:\n- config_name: default\n  data_files:\n{files}"
    info = f"dataset_info:\n  config_name: default\n  splits:\n{sizes}"
    (folder / "README.md").write_text(f"---\nlicense: cc-by-4.0\n{card}{info}---\n# Digits\n")
    return folder


def write_model(folder: Path, model: PreTrainedModel, family: str, **changes: Any) -> Path:
    """Model, processor and card. changes: of the processor."""
    model.save_pretrained(folder)
    kept = processor(course(family))
    for name, value in changes.items():
        setattr(kept, name, value)
    kept.save_pretrained(folder)
    (folder / "README.md").write_text(f"---\nlicense: {LICENCE}\n---\n# A parent\n")
    return folder


def trained(family: str, seed: int) -> PreTrainedModel:
    """A model of that family, trained on the digits."""
    return copy.deepcopy(_trained(family, seed))


@cache
def _trained(family: str, seed: int) -> PreTrainedModel:
    """Trained by the first of the suite's processes that asks for it."""
    state = Path(os.environ["HUBMERGE_TESTS_TRAINED"], f"{family}-{seed}.pt")
    with FileLock(f"{state}.lock"):
        if not state.exists():
            torch.save(train(course(family), seed, rows()["train"]).state_dict(), state)
    model = course(family).build(labelled())
    model.load_state_dict(torch.load(state))
    return model.eval()


def train_parents(family: str, out: Path) -> dict[str, Path]:
    """Folders of parents a and b."""
    return {
        letter: write_model(out / letter, trained(family, seed), family)
        for letter, seed in (("a", 1), ("b", 2))
    }


def shuffled_labels(folder: Path, out: Path, family: str, shift: int = 3) -> Path:
    """The same classifier with its classes in another order, names and rows alike."""
    model = AutoModelForImageClassification.from_pretrained(folder)
    count = len(NAMES)
    order = [(7 * index + shift) % count for index in range(count)]
    head = model.classifier[1] if family == "resnet" else model.classifier
    with torch.no_grad():
        head.weight.copy_(head.weight[order].clone())
        head.bias.copy_(head.bias[order].clone())
    names = labelled([NAMES[index] for index in order])
    model.config.id2label, model.config.label2id = names["id2label"], names["label2id"]
    return write_model(out, model, family)


def feature_rows() -> DatasetDict:
    """The digits as lists of 64 numbers, as frozen embeddings are kept."""
    source = load_digits()
    types = Features({"embedding": List(Value("float32")), "label": ClassLabel(names=NAMES)})

    def part(chosen: slice) -> Dataset:
        values = {
            "embedding": (source.data[chosen] / 16).tolist(),
            "label": source.target[chosen].tolist(),
        }
        return Dataset.from_dict(values, features=types)

    return DatasetDict(train=part(slice(0, 600)), test=part(slice(600, 900)))


def train_heads(splits: DatasetDict, out: Path) -> dict[str, Path]:
    """Two MLP heads on features, without an image processor."""
    features = torch.tensor(splits["train"]["embedding"])
    labels = torch.tensor(splits["train"]["label"])
    folders = {}
    for letter, seed in (("a", 1), ("b", 2)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = mlp(labelled(), input_size=64, hidden_sizes=[24], norm="batch")
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for _ in range(40):
            optimizer.zero_grad()
            F.cross_entropy(model(features=features).logits, labels).backward()
            optimizer.step()
        folders[letter] = out / letter
        model.eval().save_pretrained(folders[letter])
    return folders


def push(hub: EmbeddedHub, repo: str, folder: Path, kind: str = "model", **options: Any) -> str:
    """A repository with the content of `folder`; its id."""
    api = hub.api()
    api.create_repo(repo, repo_type=kind, **options)
    api.upload_folder(repo_id=repo, folder_path=folder, repo_type=kind)
    return repo
