"""Merging a part of a model: names that stand for one tensor go together."""

from __future__ import annotations

import pytest
import torch

from hubmerge.errors import RecipeError
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


def test_a_name_that_fits_nothing_is_refused_with_the_nearest() -> None:
    names = ["classifier.bias", "vit.layer.0.bias", "vit.layer.1.bias"]
    with pytest.raises(RecipeError, match="no tensor has a name") as refused:
        Subset(only=("clasifier",)).check(names)
    assert (refused.value.hint or "").startswith("did you mean 'classifier'")
    assert refused.value.found == "names begin with: classifier, vit"
    with pytest.raises(RecipeError) as refused:
        Subset(keep=("x" * 400,)).check(names)
    assert len(str(refused.value)) < 300


def test_of_many_names_some_are_listed() -> None:
    with pytest.raises(RecipeError, match="and 80 more"):
        Subset(only=("none",)).check(f"layer{n}.bias" for n in range(100))


def test_keeping_what_alone_is_merged_leaves_nothing() -> None:
    model = texts.gpt2()
    subset = Subset(only=("lm_head",), keep=("transformer.wte",)).of_model(model)
    with pytest.raises(RecipeError, match="nothing is left"):
        subset.check(model.state_dict())
