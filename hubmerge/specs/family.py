"""A family of models as data: one TOML file in `model_specs/` or a plugin, read and checked.

Nothing here knows a model yet; `hubmerge.specs.bind` brings a family and a model together.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from hubmerge.errors import FamilyError, SpecError
from hubmerge.errors.wording import option
from hubmerge.registry import registry
from hubmerge.specs.config_fields import field_of
from hubmerge.specs.tables import Block, Head, Scope, Tables, TinyModel

SPECS_VARIABLE = "HUBMERGE_SPECS"
"""Environment variable naming further folders of spec files, separated as PATH is."""


class Family(Tables):
    """One spec file. `match` and `when` compare fields of the model's configuration.

    base: the module that models with a head hold everything in; a bare model's names lack it.
    head: alternatives, one of which must fit the model's class, if there are any. chosen: the one
    that was; what it says is in the other tables, then. written: keys that read otherwise in the
    file.
    """

    name: str
    path: Path
    text: str
    match: dict[str, Any] = Field(min_length=1)
    tied: dict[str, str] = Field(default_factory=dict)
    batchnorm_eps: float | None = Field(default=None, gt=0)
    gain_offset: float = 0.0
    base: str | None = None
    block: tuple[Block, ...] = ()
    head: tuple[Head, ...] = ()
    chosen: int | None = None
    written: dict[str, str] = Field(default_factory=dict)
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

    @property
    def shipped(self) -> bool:
        """Whether its file came with hubmerge."""
        return registry("families").path == self.path.parent

    def where(self, table: str, key: str, scope: Scope = ()) -> str:
        """'model_specs/vit.toml, line 12' for the line of `table` that gives `key`.

        scope: of the table; a block's own keys (`at`) are in table "".
        """
        head: Scope = () if self.chosen is None else (("head", self.chosen),)
        numbers = _line_numbers(self.text)
        key = self.written.get(key, key)
        line = numbers.get((scope or head, table, key)) or numbers.get((scope, table, key))
        return f"{self.shown_path}, line {line}" if line else self.shown_path

    def fits(self, config: Any) -> bool:
        """Whether this family describes models of that configuration, and of its class."""
        return holds(self.match, config) and self.has_head(config)

    def has_head(self, config: Any) -> bool:
        """Whether it says what models of the configuration's class have besides."""
        return not self.head or any(head.fits(class_of(config)) for head in self.head)

    def with_head(self, config: Any) -> Family:
        """The family without alternatives: the head that fits is part of it.

        Raises: SpecError, if none does, or several.
        """
        if not self.head:
            return self
        fitting = [n for n, head in enumerate(self.head) if head.fits(class_of(config))]
        if len(fitting) != 1:
            said = [f"{' '.join(self.head[n].names)}" for n in fitting or range(len(self.head))]
            raise SpecError(
                f"{len(fitting) or 'no'} heads of {self.shown_path} fit a {class_of(config)!r}",
                found=f"heads: {', '.join(said)}",
                source=self.where("", "classes", (("head", fitting[-1] if fitting else 0),)),
                hint="every class has one [[head]] whose `classes` name it",
            )
        head = self.head[fitting[0]]
        merged = {
            table: {**getattr(self, table), **getattr(head, table)}
            for table in Head.model_fields
            if table != "classes"
        }
        merged["fixed"] = {k: v for k, v in merged["fixed"].items() if k not in head.space}
        merged["space"] = {k: v for k, v in merged["space"].items() if k not in head.fixed}
        return self.model_copy(update={**merged, "head": (), "chosen": fitting[0]})

    def for_names(self, names: Iterable[str]) -> Family:
        """The family as it describes tensors of these names: without `base`, if they lack it."""
        if self.base is None or any(name.startswith(f"{self.base}.") for name in names):
            return self
        return _without(self, f"{self.base}.")


def _without(family: Family, prefix: str) -> Family:
    """`family` with `prefix` taken from all names of tensors and modules."""
    written: dict[str, str] = {}
    changed: dict[str, Any] = {}
    for table in ("param", "buffer", "watch", "layernorm", "rmsnorm", "behind", "gate", "tied"):
        values = table not in ("param", "buffer", "watch")
        changed[table] = {
            _shorter(key, prefix): _shorter(value, prefix) if values else value
            for key, value in getattr(family, table).items()
        }
        written |= {_shorter(key, prefix): key for key in getattr(family, table)}
    changed["block"] = tuple(
        block.model_copy(update={"at": block.at.removeprefix(prefix)}) for block in family.block
    )
    return family.model_copy(update={**changed, "written": written})


def _shorter(names: str, prefix: str) -> str:
    return " ".join(name.removeprefix(prefix) for name in names.split())


def class_of(config: Any) -> str:
    """Name of the class a configuration is for; "" where it names none."""
    return next(iter(getattr(config, "architectures", None) or ()), "")


def named(config: Any, kind: type) -> Any:
    """`config`, with the class it is for: what it says itself, if `kind` is that class or one of
    its subclasses, else `kind`.
    """
    if class_of(config) in {each.__name__ for each in kind.__mro__}:
        return config
    config = copy.copy(config)
    config.architectures = [kind.__name__]
    return config


def holds(conditions: Mapping[str, Any], config: Any) -> bool:
    """Whether every named configuration field has the value (or one of the values) given.

    A field whose name ends in "?" may be absent or null instead.
    """

    def one(field: str, wanted: Any) -> bool:
        value = field_of(config, field.removesuffix("?"))
        if value is None and field.endswith("?"):
            return True
        return value in (wanted if isinstance(wanted, list) else [wanted])

    return all(one(field, wanted) for field, wanted in conditions.items())


_HEADER = re.compile(r"\s*\[\[?\s*([\w.-]+)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+\.)*)(?:"([^"]+)"|'([^']+)'|([\w-]+))\s*=""")


NESTED = ("block", "head")


@lru_cache(maxsize=256)
def _line_numbers(text: str) -> dict[tuple[Scope, str, str], int]:
    """(scope, table, key) -> line, for every line a person would write."""
    numbers: dict[tuple[Scope, str, str], int] = {}
    scope: Scope = ()
    counts: dict[tuple[Scope, str], int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            scope, table = (), ""
            *outer, last = header[1].split(".")
            for name in outer:
                if name in NESTED and not table:
                    scope = (*scope, (name, counts.get((scope, name), 1) - 1))
                else:
                    table = f"{table}.{name}".lstrip(".")
            if last in NESTED and not table and "[[" in line:
                count = counts[scope, last] = counts.get((scope, last), 0) + 1
                scope = (*scope, (last, count - 1))
            else:
                table = f"{table}.{last}".lstrip(".")
        elif key := _KEY.match(line):
            inside = key[1].rstrip(".") or table
            numbers.setdefault((scope, inside, key[2] or key[3] or key[4]), number)
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
        return Family(name=path.stem, path=path, text=text, chosen=None, written={}, **table)
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
            "behind, gate, tied, [[block]], [[head]] and [[test]]: docs/spec.md",
        ) from error


@dataclass(frozen=True)
class Families:
    """All families there are, by name."""

    families: Mapping[str, Family]

    def for_config(self, config: Any) -> Family:
        """The one family that fits; one that the user wrote goes before one of the package.

        Raises: FamilyError if none fits, SpecError if several do.
        """
        fitting = [family for family in self.families.values() if family.fits(config)]
        if any(not family.shipped for family in fitting):
            fitting = [family for family in fitting if not family.shipped]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise SpecError(
                f"several families claim model_type {config.model_type!r}",
                found=", ".join(family.shown_path for family in fitting),
                hint="make their [match] tables exclude each other"
                + ("" if fitting[0].shipped else f", or take one of them out of {SPECS_VARIABLE}"),
            )
        headless = [f for f in self.families.values() if holds(f.match, config)]
        if headless:
            names = [name for head in headless[0].head for name in head.names]
            raise FamilyError(
                f"{headless[0].shown_path} has no head for a {class_of(config)!r}",
                found=f"heads: {', '.join(names)}",
                hint="add a [[head]] whose `classes` name it (docs/spec.md)",
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
