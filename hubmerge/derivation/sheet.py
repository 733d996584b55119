"""A spec in the making: parts with spaces and lines, as the file will show them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

from hubmerge.derivation.axes import Expression, Leaf, Product


@dataclass
class SpaceEntry:
    """A space or a fixed axis as a part declares it.

    key: of the leaf in the first copy, by which the trace knows it. size: a configuration field, a
    number, or None where tensors tell. small: in the twin. seen: whether
    any module shows its units.
    """

    name: str
    key: tuple[int, ...]
    fixed: bool
    size: str | int | None = None
    within: str | None = None
    may: str | None = None
    small: int = 0
    seen: bool = True


@dataclass(kw_only=True)
class Part:
    """The file's own tables, or one [[block]].

    at: where its copies are; "" for the file's own tables. when: fields of the configuration that
    tell its copies from those of other blocks. lines: tensor below `at` -> its axes,
    whose leaves `names` names. duals: (tensor, space, place) that stand with a prime.
    """

    at: str = ""
    when: dict[str, Any] = field(default_factory=dict)
    copies: list[str] = field(default_factory=list)
    spaces: dict[str, SpaceEntry] = field(default_factory=dict)
    lines: dict[str, list[Expression]] = field(default_factory=dict)
    names: dict[tuple[int, ...], str] = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)
    buffers: set[str] = field(default_factory=set)
    duals: set[tuple[str, str, int]] = field(default_factory=set)
    watch: dict[str, str] = field(default_factory=dict)
    layernorm: dict[str, str] = field(default_factory=dict)
    rmsnorm: dict[str, str] = field(default_factory=dict)
    behind: dict[str, str] = field(default_factory=dict)
    gate: dict[str, str] = field(default_factory=dict)

    def copied(self) -> dict[str, Any]:
        """Its fields, copied as deep as they are ever changed."""
        fields = {name: copy.copy(value) for name, value in vars(self).items()}
        fields["spaces"] = {name: replace(entry) for name, entry in self.spaces.items()}
        return fields

    def text(self, tensor: str) -> str:
        """The line of a tensor."""
        counts: dict[str, int] = {}

        def leaf(one: Leaf) -> str:
            name = self.names[one.key]
            place = counts.get(name, 0)
            counts[name] = place + 1
            return name + ("'" if (tensor, name, place) in self.duals else "")

        def inside(one: Expression) -> str:
            if isinstance(one, Leaf):
                return leaf(one)
            if isinstance(one, Product):
                return " ".join(
                    inside(part) if isinstance(part, Leaf) else f"({inside(part)})"
                    for part in one.parts
                )
            return " + ".join(inside(part) for part in one.parts)

        return " ".join(
            leaf(axis) if isinstance(axis, Leaf) else f"({inside(axis)})"
            for axis in self.lines[tensor]
        )


@dataclass
class Sheet:
    """The whole spec."""

    model_type: str
    architecture: str
    parts: list[Part]
    tied: dict[str, str] = field(default_factory=dict)
    batchnorm_eps: float | None = None
    comments: list[str] = field(default_factory=list)

    @property
    def shared(self) -> Part:
        """The file's own tables."""
        return self.parts[0]
