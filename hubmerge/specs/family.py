"""A family of models as data: one TOML file in `model_specs/` or a plugin, read and checked.

Nothing here knows a model yet; `hubmerge.spec.bind` brings a family and a model together.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hubmerge.errors import FamilyError, SpecError
from hubmerge.errors.wording import option
from hubmerge.registry import registry

SPECS_VARIABLE = "HUBMERGE_SPECS"
"""Environment variable naming further folders of spec files, separated as PATH is."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SpaceLine(_Table):
    """How a space was declared: its size (a config field or a number), what it lies within,
    and what may be done to it besides reordering its units.

    through: what a scale has to pass: a configuration field that names an activation function,
    "max_pool", or several of these.
    """

    size: str | int | None = None
    within: str | None = None
    may: str | None = None
    through: str | tuple[str, ...] | None = Field(default=None, min_length=1)


class Block(_Table):
    """A part of the model that is repeated; spaces declared here are new in every copy."""

    at: str
    when: dict[str, Any] = Field(default_factory=dict)
    flow: str | None = None
    start: str | None = None
    end: str | None = None
    joined_unless: str | None = None
    may: str | None = None
    through: str | tuple[str, ...] | None = Field(default=None, min_length=1)
    fixed: dict[str, str | int | SpaceLine] = Field(default_factory=dict)
    space: dict[str, str | int | SpaceLine] = Field(default_factory=dict)
    param: dict[str, str] = Field(default_factory=dict)
    buffer: dict[str, str] = Field(default_factory=dict)
    watch: dict[str, str] = Field(default_factory=dict)
    layernorm: dict[str, str] = Field(default_factory=dict)
    rmsnorm: dict[str, str] = Field(default_factory=dict)
    behind: dict[str, str] = Field(default_factory=dict)
    gate: dict[str, str] = Field(default_factory=dict)

    @field_validator("at")
    @classmethod
    def _readable(cls, at: str) -> str:
        if not re.fullmatch(r"([\w-]|\{\w+\})+(\.([\w-]|\{\w+\})+)*", at):
            raise ValueError('a dotted name with {} for its numbers, such as "h.{layer}"')
        return at

    @model_validator(mode="after")
    def _threads(self) -> Block:
        threading = ("start", "end", "joined_unless", "may", "through")
        given = [key for key in threading if getattr(self, key) is not None]
        if self.flow is None and given:
            raise ValueError(f'{", ".join(given)} without flow: add flow = "x -> y"')
        joined = self.joined_unless
        if joined is not None and f"{joined}?" not in self.param:
            raise ValueError(f'joined_unless = "{joined}" needs a line "{joined}?" under param')
        return self

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the beginning of the tensor names that lie in a copy of this block."""
        numbered = re.sub(r"\\\{\w+\\\}", r"(\\d+)", re.escape(self.at))
        return re.compile(numbered + r"(?=\.)")


class TinyModel(_Table):
    """A model of the family, small enough for tests; the first of a file has all of `config`.

    name: what sets it apart from the file's others. model_class: a class of transformers that
    takes a configuration, or an Auto class, such as "AutoModelForCausalLM". config: fields of the
    configuration; what is not given is as in the first. free: every space that must be found free,
    with its size; {0,1} in a name stands for both.
    """

    name: str | None = None
    model_class: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    free: dict[str, int] = Field(min_length=1)

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


class Family(_Table):
    """One spec file. `match` and `when` compare fields of the model's configuration."""

    name: str
    path: Path
    text: str
    match: dict[str, Any] = Field(min_length=1)
    fixed: dict[str, str | int | SpaceLine] = Field(default_factory=dict)
    space: dict[str, str | int | SpaceLine] = Field(default_factory=dict)
    param: dict[str, str] = Field(default_factory=dict)
    buffer: dict[str, str] = Field(default_factory=dict)
    watch: dict[str, str] = Field(default_factory=dict)
    layernorm: dict[str, str] = Field(default_factory=dict)
    rmsnorm: dict[str, str] = Field(default_factory=dict)
    behind: dict[str, str] = Field(default_factory=dict)
    gate: dict[str, str] = Field(default_factory=dict)
    tied: dict[str, str] = Field(default_factory=dict)
    batchnorm_eps: float | None = Field(default=None, gt=0)
    block: tuple[Block, ...] = ()
    test: tuple[TinyModel, ...] = ()

    @field_validator("test", mode="before")
    @classmethod
    def _completed(cls, given: Any) -> Any:
        """One [test] table or several; what later ones leave out is as in the first."""
        tables = [given] if isinstance(given, dict) else given
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            return given
        first = tables[0] if tables else {}
        if tables and not (first.get("model_class") and first.get("config")):
            raise ValueError("the first needs model_class and config")
        return [
            {
                **first,
                **each,
                "name": each.get("name"),
                "config": {**first["config"], **each.get("config", {})},
            }
            for each in tables
        ]

    @property
    def tiny_models(self) -> dict[str, TinyModel]:
        """Its models for tests, by name: "vit", "vit-deep"."""
        return {f"{self.name}-{each.name}" if each.name else self.name: each for each in self.test}

    @property
    def shown_path(self) -> str:
        """The file's name as errors quote it: 'model_specs/vit.toml'."""
        return _shown(self.path)

    def where(self, table: str, key: str, block: int | None = None) -> str:
        """'model_specs/vit.toml, line 12' for the line of `table` that gives `key`.

        block: number of the [[block]] it stands in; its own keys (`at`) are in table "".
        """
        line = _line_numbers(self.text).get((block, table, key))
        return f"{self.shown_path}, line {line}" if line else self.shown_path

    def fits(self, config: Any) -> bool:
        """Whether this family describes models of that configuration."""
        return holds(self.match, config)


def holds(conditions: Mapping[str, Any], config: Any) -> bool:
    """Whether every named configuration field has the value (or one of the values) given."""
    return all(
        getattr(config, field, None) in (wanted if isinstance(wanted, list) else [wanted])
        for field, wanted in conditions.items()
    )


_HEADER = re.compile(r"\s*\[\[?\s*([\w.-]+)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+\.)*)(?:"([^"]+)"|'([^']+)'|([\w-]+))\s*=""")


@lru_cache(maxsize=64)
def _line_numbers(text: str) -> dict[tuple[int | None, str, str], int]:
    """(number of the block, table, key) -> line, for every line a person would write."""
    numbers: dict[tuple[int | None, str, str], int] = {}
    blocks, block, table = 0, None, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            blocks += header[1] == "block"
            outer, _, table = header[1].rpartition(".")
            block = blocks - 1 if "block" in (outer, table) else None
            table = "" if table == "block" else table
        elif key := _KEY.match(line):
            inside = key[1].rstrip(".") or table
            numbers.setdefault((block, inside, key[2] or key[3] or key[4]), number)
    return numbers


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _no_toml(path: Path, error: Exception) -> SpecError:
    return SpecError(f"{_shown(path)} is not TOML", found=str(error), hint="see docs/spec.md")


def read_family(path: Path) -> Family:
    """The family one TOML file declares. Raises SpecError quoting file and field."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _no_toml(path, error) from error
    return _parsed(path, text)


@lru_cache(maxsize=512)
def _parsed(path: Path, text: str) -> Family:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(path, error) from error
    try:
        return Family(name=path.stem, path=path, text=text, **table)
    except (ValidationError, TypeError) as error:
        problems = (
            "\n".join(
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
            )
            if isinstance(error, ValidationError)
            else str(error)
        )
        raise SpecError(
            f"{_shown(path)} is no family",
            found=problems,
            hint="tables are match, fixed, space, param, buffer, watch, layernorm, rmsnorm, "
            "behind, gate, tied, [[block]] and [[test]]: docs/spec.md",
        ) from error


@dataclass(frozen=True)
class Families:
    """All families there are, by name."""

    families: Mapping[str, Family]

    def for_config(self, config: Any) -> Family:
        """The one family that fits. Raises FamilyError if none, SpecError if several do."""
        fitting = [family for family in self.families.values() if family.fits(config)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise SpecError(
                f"several families claim model_type {config.model_type!r}",
                found=", ".join(family.shown_path for family in fitting),
                hint="make their [match] tables exclude each other",
            )
        raise FamilyError(
            f"no spec describes model_type {getattr(config, 'model_type', None)!r}",
            found=f"families: {', '.join(sorted(self.families))}",
            hint=f"{option('match', 'none')} needs no spec; or write one TOML file "
            "(docs/spec.md) and name its "
            f"folder in {SPECS_VARIABLE}",
        )

    def named(self, name: str) -> Family:
        """The family of that name. Raises FamilyError with the names there are."""
        if name in self.families:
            return self.families[name]
        raise FamilyError(
            f"there is no family {name!r}", found=f"families: {', '.join(sorted(self.families))}"
        )


def load_families() -> Families:
    """Reads every spec file: those that came with hubmerge, HUBMERGE_SPECS', plugins'.

    Raises: SpecError where two files share a name, or the variable names something that is no
    folder.
    """
    return Families(registry("families").all())
