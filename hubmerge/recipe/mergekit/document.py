"""One document of mergekit's YAML: its values by their places, and what is wrong with them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import quoted
from hubmerge.utils.suggestions import did_you_mean
from hubmerge.utils.untrusted_yaml import Lines, Place

_PART = re.compile(r"[\w.]+")

Values = list[tuple[str, float | list[float]]]
"""Part of tensors' names ("" for all) and what holds for them: a number, or one for each knot from
the first layer to the last."""


@dataclass(frozen=True)
class Document:
    """What a document says. Whatever is refused is named with its line."""

    content: Any
    lines: Lines
    file: str

    def values(self, given: Any, place: Place) -> Values:
        """A parameter's values, the first that fits a tensor counting."""
        if isinstance(given, list) and given and all(isinstance(each, dict) for each in given):
            found: Values = []
            for number, each in enumerate(given):
                here = (*place, number)
                self.check_keys(here, each, ("filter", "value"))
                part = each.get("filter")
                part = "" if part in (None, "*") else str(part)
                if part and not _PART.fullmatch(part):
                    raise self.refused(
                        (*here, "filter"),
                        f"filter {quoted(part)} is not taken",
                        hint="a part of tensors' names: letters, digits, _ and .",
                    )
                found.append((part, self.number(each.get("value"), (*here, "value"))))
            whole = [part for part, _ in found].index("") + 1 if "" in dict(found) else None
            return found[:whole]
        return [("", self.number(given, place))]

    def number(self, given: Any, place: Place) -> float | list[float]:
        """A number, or one for each knot. Raises: RecipeError."""
        numbers = [_number(each) for each in (given if isinstance(given, list) else [given])]
        found = [number for number in numbers if number is not None]
        if found and len(found) == len(numbers):
            return found[0] if len(found) == 1 else found
        raise self.refused(place, f"{place[-1]} is no number or list of numbers", found=repr(given))

    def truth(self, given: Any, place: Place) -> bool:
        """True or false. Raises: RecipeError."""
        if isinstance(given, bool):
            return given
        raise self.refused(place, f"{place[-1]} is true or false", found=repr(given))

    def check_keys(self, place: Place, given: Any, known: Sequence[str]) -> None:
        """Raises: RecipeError, if something there is no mapping, or has a name not in `known`."""
        if not isinstance(given, dict):
            raise self.refused(place, f"names with values are needed: {', '.join(known)}")
        for key in given:
            if key not in known:
                raise self.refused(
                    (*place, str(key)),
                    f"{quoted(str(key))} is not taken",
                    found=f"taken here are {', '.join(known)}",
                    hint=did_you_mean(str(key), known),
                )

    def refused(
        self, place: Place, what: str, found: str | None = None, hint: str | None = None
    ) -> RecipeError:
        """The error for what stands at a place."""
        there = place
        while there and there not in self.lines:
            there = there[:-1]
        line = self.lines.get(there, 1)
        return RecipeError(f"{self.file}, line {line}: {what}", found=found, hint=hint)


def _number(given: Any) -> float | None:
    """A finite number, also as text: YAML 1.1 takes -.5 and 1e-6 for words."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        number = float(given)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
