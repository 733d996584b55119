"""Unknown names: refused with the known ones, and those that may have been meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import quoted

NEAREST = 3


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names most like `name`, the nearest first; none where nothing is near."""
    small = {each.lower(): each for each in known}
    return [small[each] for each in get_close_matches(name.lower(), small, n=NEAREST)]


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """ "did you mean 'ties'?", or None where nothing is near."""
    near = nearest(name, known)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else None


def unknown(what: str, name: str, known: Iterable[str]) -> RecipeError:
    """The error for a `name` that is not among the names of `what`: "fusion", "matcher"."""
    names = list(known)
    return RecipeError(
        f"there is no {what} {quoted(name)}",
        found=f"{what}s: {', '.join(names)}",
        hint=did_you_mean(name, names),
    )
