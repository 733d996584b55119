"""Merging a part of a model: names that stand for one tensor go together."""

from __future__ import annotations

import pytest
import torch

from hubmerge.fuse.subset import Subset, tied_names
from tests.helpers import texts

HEAD, EMBEDDING = "lm_head.weight", "transformer.wte.weight"


def test_tied_tensors_have_several_names() -> None:
    assert {frozenset(names) for names in tied_names(texts.gpt2())} == {
        frozenset((HEAD, EMBEDDING))
    }
    assert tied_names(texts.llama()) == ()


def test_without_values_as_well() -> None:
    with torch.device("meta"):
        model = texts.gpt2()
    assert len(tied_names(model)) == 1


@pytest.mark.parametrize("given", [{"keep": ("lm_head",)}, {"keep": ("transformer.wte",)}])
def test_what_is_tied_to_what_is_kept_is_kept(given: dict[str, tuple[str, ...]]) -> None:
    subset = Subset(**given).of_model(texts.gpt2())
    assert not subset.merges(HEAD)
    assert not subset.merges(EMBEDDING)
    assert subset.merges("transformer.ln_f.weight")
    assert "is the same tensor as" in subset.description


def test_what_is_tied_to_what_alone_is_merged_is_merged() -> None:
    subset = Subset(only=("lm_head",)).of_model(texts.gpt2())
    assert subset.merges(HEAD)
    assert subset.merges(EMBEDDING)
    assert not subset.merges("transformer.ln_f.weight")


def test_an_untied_head_is_kept_alone() -> None:
    subset = Subset(keep=("lm_head",)).of_model(texts.llama())
    assert not subset.merges(HEAD)
    assert subset.merges("model.embed_tokens.weight")
    assert subset.description == "lm_head kept from A"
