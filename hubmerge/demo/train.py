"""Small parents: one architecture per family, trained on the digits from two seeds.

Two parents of a family share everything but their seed, which draws the first weights and the
order of the images. Training runs on one thread, so the same seed gives the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.utils.progress import track
from hubmerge.utils.workers import Workers

BATCH = 64
WEIGHT_DECAY = 0.05
SEEDS = {"a": 1, "b": 2}


@dataclass(frozen=True)
class ParentConfig:
    """Architecture and training of the parents of one family."""

    name: str
    build: Callable[[dict[str, Any]], PreTrainedModel]
    """Label maps -> fresh model."""
    side: int
    """Height and width in pixels the images are resized to."""
    epochs: int
    rate: float
    """Peak of the one-cycle learning rate (arXiv:1708.07120) of AdamW."""
    note: str = ""
    """Remark on the card."""


def _resnet(labels: dict[str, Any]) -> PreTrainedModel:
    config = ResNetConfig(
        embedding_size=32, hidden_sizes=[32, 64], depths=[2, 1], layer_type="basic", **labels
    )
    return ResNetForImageClassification(config)


def _vit(labels: dict[str, Any]) -> PreTrainedModel:
    config = ViTConfig(
        image_size=8,
        patch_size=2,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        **labels,
    )
    return ViTForImageClassification(config)


def _mlp(labels: dict[str, Any]) -> PreTrainedModel:
    config = MlpHeadConfig(input_size=3 * 8 * 8, hidden_sizes=[512, 512], **labels)
    return MlpHeadForClassification(config)


PARENT_CONFIGS = (
    ParentConfig(
        "mlp", _mlp, 8, 40, 2e-3, "Run `import hubmerge` first: it adds this architecture."
    ),
    ParentConfig("resnet", _resnet, 16, 16, 3e-3),
    ParentConfig("vit", _vit, 8, 50, 2e-3),
)

CARD = """\
---
license: mit
library_name: transformers
pipeline_tag: image-classification
datasets: [{dataset}]
---

# {title}

One of two parents for trying out model merging: the same small network, the same data, another
seed ({seed}). Trained from scratch on handwritten digits of 8 x 8 pixels;
accuracy on the {rows} test images: {accuracy:.3f}.

```python
from transformers import AutoImageProcessor, AutoModelForImageClassification
{imports}
model = AutoModelForImageClassification.from_pretrained("{repo}")
processor = AutoImageProcessor.from_pretrained("{repo}")
```
{note}"""


def processor(config: ParentConfig) -> ViTImageProcessorPil:
    """Resizes to the size of the configuration and maps 0..255 to -1..1."""
    return ViTImageProcessorPil(
        size={"height": config.side, "width": config.side},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def pixels(config: ParentConfig, rows: Dataset) -> tuple[Tensor, Tensor]:
    """Images [n, 3, side, side] and labels [n]."""
    images = processor(config)(list(rows["image"]), return_tensors="pt")["pixel_values"]
    return images, torch.tensor(rows["label"])


def train(
    config: ParentConfig,
    seed: int,
    rows: Dataset,
    *,
    epochs: int | None = None,
    what: str = "training",
) -> PreTrainedModel:
    """A model of the classes of `rows`, trained on them from `seed`.

    epochs: those of `config` unless given.
    """
    images, labels = pixels(config, rows)
    model = _fresh(config, seed, rows.features["label"].names)
    per_epoch = len(images) // BATCH
    total = (config.epochs if epochs is None else epochs) * per_epoch
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.rate, total_steps=max(1, total)
    )
    shuffle = torch.Generator().manual_seed(seed)
    model.train()
    with Workers(threads=1).single_threaded_ops(), track(total, what, unit="step") as bar:
        for step in range(total):
            if step % per_epoch == 0:
                order = torch.randperm(len(images), generator=shuffle)
            batch = order[step % per_epoch * BATCH :][:BATCH]
            loss = F.cross_entropy(model(pixel_values=images[batch]).logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.update(1)
    return model.eval()


def accuracy(config: ParentConfig, model: PreTrainedModel, rows: Dataset) -> float:
    """Share of `rows` classified correctly."""
    images, labels = pixels(config, rows)
    with torch.inference_mode():
        return (model(pixel_values=images).logits.argmax(1) == labels).double().mean().item()


def write_parent(
    folder: Path, config: ParentConfig, seed: int, splits: DatasetDict, *, repo: str, dataset: str
) -> Path:
    """Train one parent and write it to `folder` as the Hub keeps it, card and processor included.

    The folder is created in one step, when it is complete.
    """
    model = train(config, seed, splits["train"], what=f"training {repo}")
    card = CARD.format(
        dataset=dataset,
        title=repo.rpartition("/")[2],
        seed=seed,
        rows=len(splits["test"]),
        accuracy=accuracy(config, model, splits["test"]),
        imports="import hubmerge\n" if config.note else "",
        repo=repo,
        note=f"\n{config.note}\n" if config.note else "",
    )
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    model.save_pretrained(unfinished)
    processor(config).save_pretrained(unfinished)
    (unfinished / "README.md").write_text(card, encoding="utf-8")
    return unfinished.rename(folder)


def _fresh(config: ParentConfig, seed: int, names: list[str]) -> PreTrainedModel:
    """A model with first weights drawn from `seed`; the global generator is left as it was."""
    labels = {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return config.build(labels)
