"""Front matter: found, read safely, turned into tags."""

from __future__ import annotations

import json

import pytest

from hubmerge.localhub.cards import metadata, problems, split, tags


def test_front_matter_ends_at_a_line_of_its_own() -> None:
    assert split("---\na: x---y\nb: 1\n---\nbody\n---\n") == ("a: x---y\nb: 1\n", "body\n---\n")
    assert split("---\r\na: 1\r\n---\r\nbody") == ("a: 1\r\n", "body")
    assert split("# no card\n---\na: 1\n---\n")[0] is None
    assert split("---\na: 1\n")[0] is None


def test_what_json_cannot_hold_is_made_plain() -> None:
    card = metadata("---\nday: 2024-05-06\nloss: .nan\n1: [.inf, 2]\n---\n")
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card == {"day": "2024-05-06", "loss": None, "1": [None, 2]}


def test_a_bomb_of_aliases_is_not_unpacked() -> None:
    nested = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    lines = ["a0: &a0 [x]", *nested]
    card = "---\n" + "\n".join(lines) + "\n---\n"
    assert metadata(card) == {}
    assert "aliases" in problems(card)[0][0]


@pytest.mark.parametrize("block", ["!!python/object/apply:os.system [x]", "["])
def test_bad_yaml_is_an_empty_card(block: str) -> None:
    text = f"---\n{block}\n---\n"
    assert metadata(text) == {}
    assert problems(text)[0]


def test_a_merge_card_has_the_hubs_tags() -> None:
    card = {
        "license": "mit",
        "tags": ["merge"],
        "base_model": ["o/a", "o/b"],
        "base_model_relation": "merge",
        "datasets": "o/d",
    }
    assert tags(card) == [
        "merge",
        "dataset:o/d",
        "base_model:o/a",
        "base_model:merge:o/a",
        "base_model:o/b",
        "base_model:merge:o/b",
        "license:mit",
    ]


def test_an_index_without_a_data_set_is_an_error() -> None:
    result = "{task: {type: t}, dataset: {type: d, name: D}, metrics: []}"
    card = f"---\nmodel-index:\n- name: m\n  results: [{result}]\n---\n"
    assert problems(card) == ([], [])
    assert problems(card.replace("name: D", "x: D"))[0] == [
        '"model-index[0].results[0].dataset.name" is required'
    ]
    assert problems("# nothing")[1] == ["empty or missing yaml metadata in repo card"]
