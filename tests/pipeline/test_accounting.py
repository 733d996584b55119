"""Every tensor is accounted for: merged, kept from parent A, or rebuilt by its class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    ResNetConfig,
    ResNetForImageClassification,
)

import hubmerge as hm
from hubmerge.fuse import find_fusion
from hubmerge.fuse.subset import Subset
from hubmerge.hub.layout import TensorHeader
from hubmerge.pipeline.accounting import account, folded
from hubmerge.reporting.text import render_text
from tests.helpers import zoo
from tests.helpers.tiny import EVERY


def test_tensors_of_one_model_are_merged_kept_or_rebuilt() -> None:
    with torch.device("meta"):
        config = ResNetConfig(embedding_size=4, hidden_sizes=[4], depths=[1], layer_type="basic")
        model = ResNetForImageClassification(config)
    found = account(model, {}, Subset(keep=("classifier",)))
    assert found.count == len(model.state_dict())
    assert found.kept[-2:] == ["classifier.1.weight", "classifier.1.bias"]
    assert all(name.endswith("num_batches_tracked") for name in found.kept[:-2])
    assert not found.rebuilt
    assert "resnet.encoder.stages.0.layers.0.layer.{0-1}.convolution.weight" in found.merged


def test_what_a_class_makes_itself_is_rebuilt() -> None:
    with torch.device("meta"):
        model = GPT2LMHeadModel(GPT2Config(n_layer=3, n_embd=8, n_head=2, vocab_size=9))
    found = account(model, {}, Subset())
    assert found.rebuilt == ["lm_head.weight"]
    assert "transformer.h.{0-2}.mlp.c_fc.weight" in found.merged


def test_what_lies_beside_the_model_is_kept() -> None:
    with torch.device("meta"):
        sizes = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
        model = BertForMaskedLM(BertConfig(**sizes, vocab_size=9))
    ids = "bert.embeddings.position_ids"
    stored = {n: TensorHeader("F32", tuple(v.shape)) for n, v in model.state_dict().items()}
    found = account(model, {**stored, ids: TensorHeader("I64", (1, 512))}, Subset())
    assert found.kept == [ids]
    assert found.rebuilt == [
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
        "bert.embeddings.token_type_ids",
    ]
    assert found.count == len(stored) + 2


def test_names_that_differ_in_numbers_are_folded() -> None:
    names = [f"s.{s}.l.{n}.w" for s in (0, 1) for n in range(s + 2)] + ["head", "s.3.l.7.w"]
    assert folded(names) == ["s.0.l.{0-1}.w", "s.1.l.{0-2}.w", "head", "s.3.l.7.w"]
    assert folded([f"s.{s}.l.{n}.w" for s in (0, 2) for n in (1, 3)]) == ["s.{0,2}.l.{1,3}.w"]
    assert folded([]) == []


def unfolded(name: str) -> Iterator[str]:
    """The names that one with numbers in braces stands for."""
    found = re.search(r"\{([\d,-]+)\}", name)
    if found is None:
        yield name
        return
    for part in found[1].split(","):
        first, _, last = part.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield from unfolded(f"{name[: found.start()]}{number}{name[found.end() :]}")


@pytest.mark.parametrize("name", [*EVERY])
def test_of_every_family_each_tensor_is_named_once_and_became_what_is_said(name: str) -> None:
    with torch.device("meta"):
        bones = EVERY[name].build()
    found = account(bones, {}, Subset())
    merged, kept, rebuilt = (
        [*chain.from_iterable(map(unfolded, names))]
        for names in (found.merged, found.kept, found.rebuilt)
    )
    every = [*merged, *kept, *rebuilt]
    buffers = {name for name, _ in bones.named_buffers()}
    assert len(every) == len({*every}) == found.count
    assert {*every} == {*bones.state_dict(), *buffers}
    drawn = torch.Generator().manual_seed(0)
    a, b = (
        {
            n: torch.randn(v.shape, generator=drawn) if v.is_floating_point() else torch.zeros(1)
            for n, v in bones.state_dict().items()
        }
        for _ in range(2)
    )
    fused = find_fusion("average").function([a, b], [0.5, 0.5])
    assert fused.keys() == a.keys()
    for each in merged:
        assert torch.allclose(fused[each], (a[each] + b[each]) / 2, atol=1e-6)
    for each in kept:
        assert not bones.state_dict()[each].is_floating_point()
        assert torch.equal(fused[each], a[each])
    for each in rebuilt:
        assert each not in a or each in (bones.all_tied_weights_keys or {})


def test_what_a_fusion_leaves_as_it_is_counts_as_kept(tmp_path: Path) -> None:
    splits = zoo.feature_rows()
    folders = zoo.train_heads(splits, tmp_path)
    data = zoo.write_data(tmp_path / "rows", splits)
    models = (str(folders["a"]), str(folders["b"]))
    asked = {"match": "none", "fuse": "late-least-squares", "refine": "none", "path": "none"}
    result = hm.run(hm.Recipe(models=models, dataset=str(data), **asked), out=tmp_path / "merged")
    made, own = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "merged", folders["a"])
    )
    tensors = result.report.merged.tensors
    assert tensors is not None
    first = {name for name in own if name.startswith("layers.0.")}
    assert first <= {*tensors.kept}
    assert tensors.left == sum(own[name].is_floating_point() for name in first)
    said = f"Of {tensors.count} tensors, {tensors.left} stay as parent A has them."
    assert said in (tmp_path / "merged" / "README.md").read_text()
    assert f"{tensors.left} of {tensors.count} tensors as parent A has them" in render_text(
        result.report
    )
    assert all(torch.equal(made[name], own[name]) for name in first)
    assert {"classifier.weight", "classifier.bias"} <= {*tensors.merged}
    assert not torch.equal(made["classifier.weight"], own["classifier.weight"])
