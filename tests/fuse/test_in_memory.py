"""hm.merge does in memory what a recipe does on disk."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

import hubmerge as hm
from hubmerge.errors import MismatchError, RecipeError


def test_in_memory_a_fusion_takes_its_options_too(past):
    a, b = (hm.load(str(folder)) for folder in past.fine)
    few, many = (
        hm.merge(a, b, fuse="regmean", fuse_options={"ridge": ridge}, dataset=str(past.data))
        for ridge in (1e-6, 1e6)
    )
    mean = hm.merge(a, b).model.state_dict()
    for name, value in many.model.state_dict().items():
        torch.testing.assert_close(value, mean[name], rtol=1e-4, atol=1e-5)
    moved = few.model.state_dict()["classifier.weight"]
    assert not torch.allclose(moved, mean["classifier.weight"], atol=1e-4)


@pytest.mark.parametrize(("fuse", "based"), [("ties", True), ("auto", False)])
def test_in_memory_it_is_what_a_recipe_makes(past, merge, fuse, based):
    """With a base, and of several fusions the one that is kept."""
    a, b, base = (hm.load(str(folder)) for folder in (*past.fine, past.base))
    rows = {} if based else {"dataset": str(past.data)}
    merged = hm.merge(a, b, fuse=fuse, base=base if based else None, refine="none", **rows)
    given = {"base": str(past.base)} if based else {}
    asked = {"data": False, "match": "none", "fuse": fuse, "refine": "none"}
    report, folder = merge(*past.fine, **asked, **rows, **given)
    assert merged.fuse == report.method.fuse != "auto"
    state = merged.model.state_dict()
    for name, value in load_file(folder / "model.safetensors").items():
        assert torch.equal(state[name], value), name
    assert f"fuse {merged.fuse}" in hm.report(merged)


def test_in_memory_a_base_stands_in_the_order_of_all(past):
    a, b = (hm.load(str(folder)) for folder in (past.fine[0], past.stranger))
    base = hm.load(str(past.base))
    lined = hm.match(a, b, by="weights", symmetry="permutations").apply(b)
    assert hm.merge(a, lined, fuse="task-arithmetic", base=base).fuse == "task-arithmetic"
    with pytest.raises(MismatchError, match="aligned with"):
        hm.merge(b, b, fuse="ties", base=hm.match(a, base, by="weights").apply(base))
    with pytest.raises(RecipeError, match="common base"):
        hm.merge(a, b, fuse="ties")
