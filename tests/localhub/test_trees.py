"""Laws of trees: listing, merging, conflicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubmerge.localhub.records import Entry
from hubmerge.localhub.refusal import Refusal
from hubmerge.localhub.trees import Add, Delete, apply, changed, conflicts, listing, merge

ENTRIES = [Entry(sha256=c * 64, size=1, oid=c * 40, lfs=False) for c in "abc"]
trees = st.dictionaries(st.sampled_from("pqrs"), st.sampled_from(ENTRIES))


@given(base=trees, ours=trees, theirs=trees)
def test_merging_keeps_what_each_side_did(base: dict, ours: dict, theirs: dict) -> None:
    if conflicts(base, ours, theirs):
        return
    merged = merge(base, ours, theirs)
    assert merged == merge(base, theirs, ours)
    for side in (ours, theirs):
        for path in changed(base, side):
            assert merged.get(path) == side.get(path)
    for path in set("pqrs") - {*changed(base, ours), *changed(base, theirs)}:
        assert merged.get(path) == base.get(path)


@given(tree=trees)
def test_nothing_conflicts_with_nothing(tree: dict) -> None:
    assert merge(tree, tree, tree) == tree
    assert conflicts(tree, tree, {}) == []
    assert merge(tree, tree, {}) == {}


def test_both_sides_changing_a_file_conflicts() -> None:
    a, b, c = ENTRIES
    assert conflicts({"p": a}, {"p": b}, {"p": c}) == ["p"]
    assert conflicts({"p": a}, {"p": b}, {"p": b}) == []
    assert conflicts({"p": a}, {"p": b}, {}) == ["p"]
    assert conflicts({}, {"p": a}, {"p": b}) == ["p"]


def test_listing_by_depth() -> None:
    tree = dict.fromkeys(["a/b/c", "a/d", "ab/x", "e"], ENTRIES[0])
    assert listing(tree, "", recursive=False) == ["a", "ab", "e"]
    assert listing(tree, "a", recursive=False) == ["a/b", "a/d"]
    assert listing(tree, "a", recursive=True) == ["a/b", "a/b/c", "a/d"]
    assert listing(tree, "", recursive=True) == ["a", "a/b", "a/b/c", "a/d", "ab", "ab/x", "e"]


def test_a_path_is_a_file_or_a_folder() -> None:
    tree = {"a": ENTRIES[0]}
    with pytest.raises(Refusal):
        apply(tree, [Add("a/b", ENTRIES[1])])
    assert set(apply(tree, [Delete("a"), Add("a/b", ENTRIES[1])])) == {"a/b"}
    with pytest.raises(Refusal):
        apply(tree, [Delete("a", folder=True)])
