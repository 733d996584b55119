"""Copies of a block that differ, and sizes that lie deep in a configuration."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from hubmerge.errors import SpecError
from hubmerge.specs.bind import bind
from hubmerge.specs.family import read_family

NESTED_SIZES = """
[match]
model_type = "toy"
[space]
resid = "text.widths.1"
[param]
"embed" = "11 resid"
[[block]]
at = "h.{layer}"
space.ff = {}
space.extra = {}
[block.param]
"up"     = "ff resid"
"extra?" = "extra resid"
[[block]]
at = "h.1"
[block.param]
"up" = "5 resid"
"""


def test_sizes_lie_in_nested_configurations_and_lists(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(NESTED_SIZES)
    config = SimpleNamespace(model_type="toy", text=SimpleNamespace(widths=[3, 4]))
    shapes = {"embed": (11, 4), "h.0.up": (6, 4), "h.1.up": (5, 4), "h.2.up": (7, 4),
              "h.2.extra": (3, 4)}  # fmt: skip
    spec = bind(read_family(tmp_path / "toy.toml"), config, shapes)
    # what a copy has no tensor for is no space of it; a copy named by number is that block's alone
    assert spec.free_spaces() == {"resid": 4, "h.0.ff": 6, "h.2.ff": 7, "h.2.extra": 3}


def test_a_field_that_is_not_there_is_no_size(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(NESTED_SIZES)
    config = SimpleNamespace(model_type="toy", text=SimpleNamespace(widths=[3]))
    with pytest.raises(SpecError, match=r"text\.widths\.1"):
        bind(read_family(tmp_path / "toy.toml"), config, {"embed": (11, 4), "h.0.up": (6, 4)})
