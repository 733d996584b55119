"""What a card says is taken as far as it can be, and nothing it says breaks anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubmerge.hub.card import data_card, named_collections, named_papers, parent_licence
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


def test_papers_and_collections_are_those_that_are_linked(tmp_path: Path) -> None:
    ours, slug = "https://huggingface.co/collections/", "org/small-models-64f9a55bb3115b4f513ec026"
    (tmp_path / "README.md").write_text(
        f"# A card\n[its collection]({ours}{slug}), again {ours}{slug}.\n"
        f"{ours}org/no-number {ours}../x-64f9a55bb3115b4f513ec026 {ours}{slug}7\n"
        "https://arxiv.org/abs/2209.04836 https://arxiv.org/pdf/2209.04836v2\n"
    )
    source = resolve(str(tmp_path), "dataset")
    assert named_collections(source) == [slug]
    assert named_papers(source) == ["2209.04836"]
