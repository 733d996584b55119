"""A spec being put together: what a family has said so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hubmerge.specs.family import Family
from hubmerge.specs.sizes import Line, Shapes
from hubmerge.specs.spec import Behind, Gate, Norm, Space


@dataclass(kw_only=True)
class Draft:
    """What `family` has said so far about a model with `config` and tensors of `shapes`.

    The functions beside it take names as the file writes them; `names` maps those to full names, in
    which a space of a block carries the block's prefix.
    """

    family: Family
    config: Any
    shapes: Shapes
    spaces: dict[str, Space] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    buffers: set[str] = field(default_factory=set)
    scaled: set[str] = field(default_factory=set)
    absent: list[tuple[str, str, str]] = field(default_factory=list)
    mentioned: set[str] = field(default_factory=set)
    watched: dict[tuple[str, bool], Line] = field(default_factory=dict)
    norms: list[Norm] = field(default_factory=list)
    behind: list[Behind] = field(default_factory=list)
    gates: list[Gate] = field(default_factory=list)
    tied: dict[str, str] = field(default_factory=dict)
