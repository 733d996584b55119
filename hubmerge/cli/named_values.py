"""NAME=VALUE, given any number of times: what `--fuse-option` makes of a recipe."""

from __future__ import annotations

from hubmerge.errors import RecipeError


def fuse_options_of(given: list[str] | None) -> dict[str, bool | int | float | str]:
    """NAME=VALUE, ... as a recipe has them. Raises: RecipeError."""
    found: dict[str, bool | int | float | str] = {}
    for each in given or []:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise RecipeError(f"--fuse-option {each}", hint="NAME=VALUE, such as density=0.2")
        if name in found:
            raise RecipeError(f"--fuse-option {name} was given twice")
        found[name] = _scalar(value)
    return found


def _scalar(text: str) -> bool | int | float | str:
    """A number or a truth value, where the text is one."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
