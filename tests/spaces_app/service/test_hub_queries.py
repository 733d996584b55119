"""What the search says of a repository, and which models it offers beside another."""

from __future__ import annotations

import pytest

from hubmerge.localhub import EmbeddedHub
from spaces_app.service.hub_queries import (
    Found,
    common_datasets,
    describe,
    found_in,
    near,
    search,
    why_not,
)
from spaces_app.service.visitors import Visitor
from spaces_app.ui.search_field import said_of, short

A = Found(id="o/a", family="vit", task="image-classification", parameters=1000)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"family": "resnet"}, "another family: resnet, and not vit"),
        (
            {"task": "text-generation"},
            "another task: text-generation, and not image-classification",
        ),
        ({"parameters": 2000}, "another size: 2,000 weights, and not 1,000"),
        ({"parameters": 1001}, None),
        ({"family": None, "task": None, "parameters": None}, None),
    ],
)
def test_a_model_says_why_it_does_not_fit(changes: dict, said: str | None) -> None:
    other = {"id": "o/b", "family": A.family, "task": A.task, "parameters": A.parameters}
    assert why_not(Found(**{**other, **changes}), A) == said


def test_models_that_fit_come_first(hub: EmbeddedHub, anonymous: Visitor) -> None:
    beside = describe(anonymous, "me/vit-a")
    assert beside is not None
    assert beside.family == "vit"
    found = search(anonymous, "vit", beside=beside)
    fits = [why_not(each, beside) is None for each in found]
    assert "me/vit-b" in {each.id for each, fit in zip(found, fits, strict=True) if fit}
    assert fits == sorted(fits, reverse=True)
    assert "me/vit-a" not in {each.id for each in found}
    assert {each.id for each in search(anonymous, "dig", "dataset")} == {"me/digits"}
    assert not any("secret" in each.id for each in search(anonymous, "secret"))
    assert describe(anonymous, "guest/secret-a") is None


def test_what_is_nearly_an_id_is_found(hub: EmbeddedHub, anonymous: Visitor) -> None:
    assert set(near(anonymous, "me/mlp-x")) >= {"me/mlp-a", "me/mlp-b"}
    assert near(anonymous, "me/vitt-a")[0] == "me/vit-a"
    assert near(anonymous, "me/digit", "dataset")[0] == "me/digits"
    assert near(anonymous, "guest/secret-b") == []
    assert near(anonymous, "") == []


def test_a_malformed_answer_says_nothing() -> None:
    empty = found_in({"id": 5, "tags": [{}, 3], "likes": "x", "config": [], "safetensors": 7})
    assert said_of(empty) == []
    said = {
        "id": "o/a",
        "pipeline_tag": "text-generation",
        "config": {"model_type": "llama"},
        "safetensors": {"total": 1_540_000_000},
        "likes": 1200,
        "downloads": 3,
        "tags": ["license:mit", "dataset:o/d", "base_model:adapter:o/b"],
    }
    shown = "adapter, text-generation, llama, 1.54 B weights, 3 downloads, 1,200 likes, mit"
    assert said_of(found_in(said)) == shown.split(", ")
    assert found_in(said).datasets == ("o/d",)
    assert short(999) == "999"


def test_data_sets_of_both_cards_are_told_apart() -> None:
    one, two = Found(id="o/a", datasets=("o/d", "o/x")), Found(id="o/b", datasets=("o/d",))
    assert common_datasets([one, two]) == (["o/d"], ["o/x"])
    assert common_datasets([]) == ([], [])
