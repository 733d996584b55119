"""Prompts are continued side by side as each of them is alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel, T5Config, T5ForConditionalGeneration

from hubmerge.hub.load import outline
from hubmerge.hub.source import Source, parse_ref
from hubmerge.models import continuation
from hubmerge.models.continuation import continuations
from hubmerge.models.lookup import looking_up
from hubmerge.models.probe import shaken
from hubmerge.pipeline.stream import state_on_disk
from tests.helpers import texts

PROMPTS = ("the small cat", "the", "a dog likes a bird and", "")


def t5() -> PreTrainedModel:
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2}
    words = {"vocab_size": len(texts.WORDS), "pad_token_id": 0, "decoder_start_token_id": 2}
    return T5ForConditionalGeneration(T5Config(**sizes, **words, eos_token_id=1))


@pytest.mark.parametrize("build", [texts.gpt2, texts.llama, t5], ids=["gpt2", "llama", "t5"])
def test_side_by_side_as_alone(build: type[PreTrainedModel]) -> None:
    torch.manual_seed(0)
    model, tokenizer = shaken(build(), 0).eval(), texts.tokenizer()
    together = continuations(model, tokenizer, PROMPTS, 6)
    alone = [continuations(model, tokenizer, [prompt], 6)[0] for prompt in PROMPTS]
    assert together == alone
    assert together[-1] is None
    assert any(together[:-1])


def without_places(_module: object, given: tuple, named: dict) -> tuple[tuple, dict]:
    """As a model is called that takes filled places for words."""
    kept = {k: v for k, v in named.items() if k not in ("position_ids", "attention_mask")}
    return given, kept


def test_one_by_one_where_filling_up_changes_what_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(3)
    model, tokenizer = shaken(texts.gpt2(), 3).eval(), texts.tokenizer()
    model.transformer.register_forward_pre_hook(without_places, with_kwargs=True)
    monkeypatch.setattr(continuation, "ALIKE", 1e9)
    wrong = continuations(model, tokenizer, PROMPTS, 6)
    monkeypatch.undo()
    alone = [continuations(model, tokenizer, [prompt], 6)[0] for prompt in PROMPTS]
    assert continuations(model, tokenizer, PROMPTS, 6) == alone
    assert wrong != alone


def test_every_weight_is_read_once_a_token(tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = texts.saved(shaken(texts.llama(), 0), tmp_path / "model")
    model = outline(Source(**vars(parse_ref(str(folder)))))
    state, read = state_on_disk(model), list[str]()

    class Counted(Mapping[str, Tensor]):
        def __getitem__(self, name: str) -> Tensor:
            read.append(name)
            return state[name]

        def __iter__(self):
            return iter(state)

        def __len__(self) -> int:
            return len(state)

    same = ("a cat likes", "a dog fears", "the fox hears")
    writer = looking_up(model.model, Counted())
    read.clear()
    continuations(writer, texts.tokenizer(), same, 5)
    assert read.count("model.layers.1.mlp.up_proj.weight") == 5
