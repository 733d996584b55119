"""What a card says is taken as far as it can be, and nothing it says breaks anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubmerge.hub.card import data_card, parent_licence
from hubmerge.hub.source import resolve
from tests.utils.test_untrusted_yaml import BOMB


def card(folder: Path, front: str) -> None:
    (folder / "README.md").write_text(f"---\n{front}\n---\n# A card\n")


@pytest.mark.parametrize(
    ("front", "licences"),
    [
        ("license: mit", ("mit",)),
        ("license: [mit, apache-2.0]", ("mit", "apache-2.0")),
        ("license: !!python/object/apply:os.system [id]", ()),
        ("license: mit\nx: " + "[" * 3000 + "]" * 3000, ()),
        (BOMB + "license: *j", ()),
        ("license: {mit: 1}", ()),
        (f"license: {'m' * 101}", ()),
        ("- mit", ()),
    ],
)
def test_licences(tmp_path: Path, front: str, licences: tuple[str, ...]) -> None:
    card(tmp_path, front)
    found = parent_licence(resolve(str(tmp_path), "dataset"))
    assert found.licenses == licences


def test_figures_that_are_none_are_not_taken_for_some(tmp_path: Path) -> None:
    card(
        tmp_path,
        "dataset_info:\n  splits: [{name: test, num_examples: many}, {name: dev, num_examples: 7}]"
        "\n  features: [{name: x, dtype: {list: int32}}, {name: y, dtype: 3}]",
    )
    found = data_card(resolve(str(tmp_path), "dataset"))
    assert found.splits == {"test": None, "dev": 7}
    assert found.columns == {"x": "list", "y": "?"}
