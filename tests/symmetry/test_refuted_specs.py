"""A spec that allows more than the model does: what is refused, and the way on that is named."""

from __future__ import annotations

import pytest
import torch
from transformers import IJepaConfig, IJepaForImageClassification

import hubmerge as hm
from hubmerge.errors import CanonicalError, LawError
from hubmerge.models import shaken
from hubmerge.specs.family import SPECS_VARIABLE
from tests.specs.test_spec_page import PAGE

RIGHT = PAGE.split("```toml\n# my-specs/ijepa.toml")[1].split("```")[0]


def pair(folder):
    for seed, name in enumerate("ab"):
        torch.manual_seed(seed)
        model = IJepaForImageClassification(
            IJepaConfig(
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=4,
                intermediate_size=24,
                image_size=8,
                patch_size=4,
                id2label={0: "cat", 1: "dog"},
                label2id={"cat": 0, "dog": 1},
            )
        )
        shaken(model, seed).save_pretrained(folder / name)
    return hm.load(str(folder / "a")), hm.load(str(folder / "b"))


def spelled(folder, monkeypatch, *changes):
    text = RIGHT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "specs").mkdir()
    (folder / "specs" / "ijepa.toml").write_text(text)
    monkeypatch.setenv(SPECS_VARIABLE, str(folder / "specs"))


@pytest.mark.parametrize(("kind", "error"), [("flip", LawError), ("scale", CanonicalError)])
def test_what_gelu_does_not_allow_is_refused_and_permutations_are_a_way_on(
    tmp_path, monkeypatch, kind, error
):
    spelled(
        tmp_path,
        monkeypatch,
        ('space.ff   = "intermediate_size"', f'space.ff   = {{ may = "{kind}" }}'),
        ('"mlp.fc2.weight"          = "resid ff"', '"mlp.fc2.weight" = "resid ff\'"'),
    )
    a, b = pair(tmp_path)
    with pytest.raises(error) as refused:
        hm.match(a, b, by="weights").apply(b)
    said = str(refused.value)
    assert 'symmetry="permutations"' in said
    assert "hubmerge specs check" in said
    aligned = hm.match(a, b, by="weights", symmetry="permutations").apply(b)
    assert hm.merge(a, aligned).fuse == "average"


def test_what_may_not_even_be_permuted_is_refused_whatever_is_asked_for(tmp_path, monkeypatch):
    spelled(
        tmp_path,
        monkeypatch,
        ("token   = {}", "token   = {}\nlost    = {}"),
        ('"mlp.fc1.bias"            = "ff"', '"mlp.fc1.bias" = "lost"'),
    )
    a, b = pair(tmp_path)
    for symmetry in ("auto", "permutations"):
        with pytest.raises(LawError, match=r"ff(.|\n)*has a wrong line"):
            hm.match(a, b, by="weights", symmetry=symmetry)
