"""`when` on fields that hold a list: one value per layer."""

from __future__ import annotations

import pytest

from hubmerge.errors import SpecError
from tests.helpers.families import bound

TOY = """\
[match]
model_type = "toy"

[space]
resid = "width"

[[block]]
at   = "h.{layer}"
when = { kinds = ["wide", "plain"] }
space.ff = {}
param."up"   = "ff resid"
param."down" = "resid ff"

[[block]]
at   = "h.{layer}"
when = { kinds = "fixed" }
fixed.ff = {}
param."up"   = "ff resid"
param."down" = "resid ff"
"""
SHAPES = {f"h.{n}.{name}": (4, 4) for n in range(3) for name in ("up", "down")}


def test_a_list_says_what_each_layer_is(tmp_path):
    spec = bound(tmp_path, TOY, SHAPES, kinds=["wide", "fixed", "plain"], width=4)
    assert [*spec.free_spaces()] == ["resid", "h.0.ff", "h.2.ff"]
    assert spec.spaces["h.1.ff"].fixed
    spec = bound(tmp_path, TOY, SHAPES, kinds=["fixed"] * 3, width=4)
    assert [*spec.free_spaces()] == ["resid"]


def test_a_layer_that_the_list_does_not_reach_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r'"h.\{layer\}" asks for kinds of copy 2') as refused:
        bound(tmp_path, TOY, SHAPES, kinds=["wide", "fixed"], width=4)
    assert "kinds has 2 values" in str(refused.value)
    assert "toy.toml, line 9" in str(refused.value)
