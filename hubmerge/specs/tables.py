"""The tables of a family's file: spaces, lines of tensors, blocks, heads and tiny models."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Table(BaseModel):
    """One table of the file; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SpaceLine(Table):
    """How a space was declared: its size (a config field or a number), what it lies within,
    and what may be done to it besides reordering its units.

    through: what a scale has to pass: a configuration field that names an activation function,
    "max_pool", or several of these. seen: whether any module shows its units.
    """

    size: str | int | None = None
    within: str | None = None
    may: str | None = None
    through: str | tuple[str, ...] | None = Field(default=None, min_length=1)
    seen: bool = True


class Tables(Table):
    """What the file itself, a block and a head all may say of tensors: `docs/spec.md`."""

    fixed: dict[str, str | int | SpaceLine] = Field(default_factory=dict)
    space: dict[str, str | int | SpaceLine] = Field(default_factory=dict)
    param: dict[str, str] = Field(default_factory=dict)
    buffer: dict[str, str] = Field(default_factory=dict)
    watch: dict[str, str] = Field(default_factory=dict)
    layernorm: dict[str, str] = Field(default_factory=dict)
    rmsnorm: dict[str, str] = Field(default_factory=dict)
    behind: dict[str, str] = Field(default_factory=dict)
    gate: dict[str, str] = Field(default_factory=dict)


Scope = tuple[tuple[str, int], ...]
"""Where a table stands: () in the file itself, (("block", 1), ("block", 0)) in the first block of
the second, (("head", 2),) in the third head."""


class Block(Tables):
    """A part of the model that is repeated; spaces declared here are new in every copy.

    at: where its copies are; with "?" at its end, if there may be none. block: parts that are
    repeated within every copy.
    """

    at: str
    when: dict[str, Any] = Field(default_factory=dict)
    flow: str | None = None
    start: str | None = None
    end: str | None = None
    joined_unless: str | tuple[int, ...] | None = None
    may: str | None = None
    through: str | tuple[str, ...] | None = Field(default=None, min_length=1)
    block: tuple[Block, ...] = ()

    @field_validator("at")
    @classmethod
    def _readable(cls, at: str) -> str:
        if not re.fullmatch(r"([\w-]|\{\w+\})+(\.([\w-]|\{\w+\})+)*\??", at):
            raise ValueError('a dotted name with {} for its numbers, such as "h.{layer}"')
        return at

    @model_validator(mode="after")
    def _threads(self) -> Block:
        threading = ("start", "end", "joined_unless", "may", "through")
        given = [key for key in threading if getattr(self, key) is not None]
        if self.flow is None and given:
            raise ValueError(f'{", ".join(given)} without flow: add flow = "x -> y"')
        joined = self.joined_unless
        if isinstance(joined, str) and f"{joined}?" not in self.param:
            raise ValueError(f'joined_unless = "{joined}" needs a line "{joined}?" under param')
        return self

    def pattern(self, within: str = "") -> re.Pattern[str]:
        """Matches the beginning of the tensor names that lie in a copy of this block.

        within: the copy of an outer block.
        """
        numbered = re.sub(r"\\\{\w+\\\}", r"(\\d+)", re.escape(self.at.removesuffix("?")))
        outer = re.escape(f"{within}.") if within else ""
        return re.compile(outer + numbered + r"(?=\.)")


class Head(Tables):
    """What models of some classes have besides that which all models of the family share.

    classes: names of the classes, with * for any part of a name. The tables add to the file's; a
    space that the file declares as well is what the head says.
    """

    classes: str | tuple[str, ...]
    tied: dict[str, str] = Field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """`classes`, one entry per pattern."""
        return (self.classes,) if isinstance(self.classes, str) else self.classes

    def fits(self, kind: str) -> bool:
        """Whether models of the class `kind` have this head."""
        return any(fnmatchcase(kind, name) for name in self.names)


class TinyModel(Table):
    """A model of the family, small enough for tests; the first of a file has all of `config`.

    name: what sets it apart from the file's others. model_class: a class of transformers that
    takes a configuration, or an Auto class, such as "AutoModelForCausalLM". config: fields of the
    configuration; what is not given is as in the first. free: every space that must be found free,
    with its size; {0,1} in a name stands for both. differs: spaces by the names of their lines, and
    why derivation finds more or less of them.
    """

    name: str | None = None
    model_class: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    free: dict[str, int] = Field(min_length=1)
    differs: dict[str, str] = Field(default_factory=dict)

    @property
    def spaces(self) -> dict[str, int]:
        """`free`, one entry per space."""
        return {each: size for name, size in self.free.items() for each in _each_of(name)}


def _each_of(name: str) -> list[str]:
    """What a name with braces stands for: "h.{0,1}.ff" is "h.0.ff" and "h.1.ff"."""
    found = re.search(r"\{([^}]*)\}", name)
    if found is None:
        return [name]
    before, after = name[: found.start()], name[found.end() :]
    return [each for part in found[1].split(",") for each in _each_of(before + part + after)]
