"""A merge in memory lies on disk as its first parent does: names, shapes, dtypes, shards."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedModel,
)

from hubmerge.hub.layout import TensorHeader
from hubmerge.hub.load import load, stored_in
from hubmerge.models import shaken
from hubmerge.pipeline.save import read_back, write_model

BERT = BertConfig(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=20,
    vocab_size=31,
    max_position_embeddings=12,
)
MIXTRAL = MixtralConfig(
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=1,
    num_attention_heads=4,
    num_key_value_heads=2,
    num_local_experts=4,
    vocab_size=37,
    max_position_embeddings=16,
)


def written(model: PreTrainedModel, folder: Path, **how: object) -> Path:
    shaken(model).save_pretrained(folder, **how)
    return folder


def merged(a: Path, out: Path) -> dict[str, TensorHeader]:
    """The headers of parent A, written as a merge of its own values that came back whole."""
    model = load(str(a))
    state = model.model.state_dict()
    out.mkdir()
    write_model(out, [model, model], state)
    read_back(out, [model, model], state)
    return stored_in(out)


def files(folder: Path) -> dict[str, set[str]]:
    """File -> what lies in it."""
    return {path.name: {*load_file(path)} for path in folder.glob("*.safetensors")}


@pytest.mark.parametrize("kind", ["shards", "experts", "tied twice", "old names", "mixed dtypes"])
def test_it_is_laid_out_like_parent_a(kind: str, tmp_path: Path) -> None:
    a = {
        "shards": lambda: written(
            BertForSequenceClassification(BERT), tmp_path / "a", max_shard_size="8KB"
        ),
        "experts": lambda: written(
            MixtralForCausalLM(MIXTRAL), tmp_path / "a", max_shard_size="8KB"
        ),
        "tied twice": lambda: spelled(tmp_path / "a", BertForMaskedLM(BERT), _twice),
        "old names": lambda: spelled(tmp_path / "a", BertForSequenceClassification(BERT), _old),
        "mixed dtypes": lambda: spelled(
            tmp_path / "a", BertForSequenceClassification(BERT), _mixed
        ),
    }[kind]()
    assert merged(a, tmp_path / "out") == stored_in(a)
    assert files(tmp_path / "out") == files(a)
    ours, theirs = (
        {n: t for path in sorted(place.glob("*.safetensors")) for n, t in load_file(path).items()}
        for place in (tmp_path / "out", a)
    )
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def spelled(folder: Path, model: PreTrainedModel, change: object) -> Path:
    """A checkpoint whose tensors are called or stored otherwise than today."""
    file = written(model, folder) / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})  # type: ignore[operator]
    return folder


def _twice(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    embedding = tensors["bert.embeddings.word_embeddings.weight"]
    return {**tensors, "cls.predictions.decoder.weight": embedding.clone()}


def _old(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    ids = torch.arange(12).unsqueeze(0)
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for name, value in tensors.items()
    }
    return {**renamed, "bert.embeddings.position_ids": ids}


def _mixed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: t if "LayerNorm" in n else t.bfloat16() for n, t in tensors.items()}
