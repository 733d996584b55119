"""The options of a fusion: keyword parameters of its function that say what they mean.

    density: Annotated[float, Says("share of each task vector that is kept", 0, 1)] = 0.2

is all it takes: name, type, default, meaning and range stand in one place.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import action, quoted
from hubmerge.errors.wording import option as mention
from hubmerge.utils.suggestions import did_you_mean

Value = bool | int | float | str | tuple[float, ...]
PerModel = float | tuple[float, ...]
"""A number for all models, or one for each."""
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Says:
    """What an option means, and the ends of its range where it has any."""

    meaning: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class FusionOption:
    """One option of a fusion.

    kind: bool, int, float or str. among: the only values there are, where they are words.
    per_model: whether each model may have its own.
    """

    name: str
    kind: type
    default: Value
    says: Says
    among: tuple[str, ...] = ()
    per_model: bool = False

    @property
    def takes(self) -> str:
        """Which values it takes, in words."""
        if self.among:
            return ", ".join(self.among)
        least, most = self.says.least, self.says.most
        ends = [
            *([] if least is None else [f"at least {least:g}"]),
            *([] if most is None else [f"at most {most:g}"]),
        ]
        return " ".join([KINDS[self.kind], *([", ".join(ends)] if ends else [])])

    def read(self, value: Value) -> bool | int | float | str:
        """`value` as this option takes it. Raises: RecipeError."""
        found = self._typed(value)
        if found is None or not self._fits(found):
            raise RecipeError(
                mention(f"fuse_options.{self.name}", shown(value)),
                found=self.says.meaning,
                hint=self.takes,
                field="fuse_options",
            )
        return found

    def _typed(self, value: Value) -> bool | int | float | str | None:
        if isinstance(value, tuple | list):
            return None
        if self.kind is bool:
            return value if isinstance(value, bool) else None
        if self.kind is str:
            return str(value)
        try:
            number = None if isinstance(value, bool) else float(value)
        except (ValueError, OverflowError):
            return None
        if number is None or not math.isfinite(number):
            return None
        if self.kind is float:
            return number
        return int(number) if number.is_integer() else None

    def _fits(self, value: bool | int | float | str) -> bool:
        if self.among:
            return value in self.among
        if isinstance(value, str):
            return True
        least, most = self.says.least, self.says.most
        return (least is None or value >= least) and (most is None or value <= most)


def shown(value: Value) -> bool | int | float | str:
    """A value as it is typed."""
    return ",".join(f"{each:g}" for each in value) if isinstance(value, tuple | list) else value


def options_of(function: Callable[..., object]) -> dict[str, FusionOption]:
    """The options among the parameters of `function`, by name."""
    hints = typing.get_type_hints(function, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints.get(name)
        if typing.get_origin(hint) is not Annotated:
            continue
        kind, says = typing.get_args(hint)[:2]
        among = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
        per_model = typing.get_origin(kind) is types.UnionType
        kind = str if among else float if per_model else kind
        found[name] = FusionOption(name, kind, parameter.default, says, among, per_model)
    return found


def settled(
    fusion: str, options: Mapping[str, FusionOption], given: Mapping[str, Value]
) -> dict[str, Any]:
    """All options of a fusion: those `given`, the others as they are by default.

    Raises: RecipeError, for a value that does not fit and for an unknown name.
    """
    for name in given:
        if name not in options:
            raise RecipeError(
                f"{mention('fuse', fusion)} has no option {quoted(name)}",
                found=f"options: {', '.join(options) or 'none'}",
                hint=did_you_mean(name, options) or action("list methods"),
                field="fuse_options",
            )
    return {
        name: option.read(given[name]) if name in given else option.default
        for name, option in options.items()
    }
