"""Models of a few thousand weights, written and pushed as users do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from hubmerge.localhub import EmbeddedHub

ANIMALS = {0: "cat", 1: "dog", 2: "eel"}


def tiny_vit(seed: int = 0, **changes: Any) -> PreTrainedModel:
    """One layer, width 16, images of 8 x 8, three animals."""
    fields: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "image_size": 8,
        "patch_size": 4,
        "id2label": ANIMALS,
    }
    fields |= changes
    numbers = {name: index for index, name in fields["id2label"].items()}
    torch.manual_seed(seed)
    return ViTForImageClassification(ViTConfig(**({"label2id": numbers} | fields)))


def tiny_resnet(seed: int = 0, **changes: Any) -> PreTrainedModel:
    """Two stages of one basic block, widths 8 and 16."""
    fields: dict[str, Any] = {
        "embedding_size": 8,
        "hidden_sizes": [8, 16],
        "depths": [1, 1],
        "layer_type": "basic",
        "id2label": ANIMALS,
        "label2id": {name: index for index, name in ANIMALS.items()},
    }
    torch.manual_seed(seed)
    return ResNetForImageClassification(ResNetConfig(**(fields | changes)))


def processor(**changes: Any) -> Any:
    """A processor for images of 8 x 8."""
    fields: dict[str, Any] = {
        "size": {"height": 8, "width": 8},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
    }
    return ViTImageProcessor(**(fields | changes))


def save(
    folder: Path, model: PreTrainedModel, licence: str | None = "mit", **processor_changes: Any
) -> Path:
    """Write model, processor and card as a user would."""
    model.save_pretrained(folder)
    processor(**processor_changes).save_pretrained(folder)
    if licence:
        (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n# A model\n")
    return folder


def push(hub: EmbeddedHub, repo_id: str, folder: Path, **options: Any) -> str:
    """Create a repository with the content of `folder`; its id."""
    api = hub.api()
    api.create_repo(repo_id, **options)
    api.upload_folder(
        repo_id=repo_id, folder_path=folder, repo_type=options.get("repo_type", "model")
    )
    return repo_id
