"""What is typed as the value of an option, as a field has it."""

from __future__ import annotations

from typing import Any, get_origin

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import shortened
from hubmerge.options.declared import DeclaredOption

Scalar = bool | int | float | str | tuple[float, ...]


def read(option: DeclaredOption, typed: Any) -> Any:
    """The value of the option's field. Raises: RecipeError."""
    kinds = [get_origin(kind) or kind for kind in option.types]
    if dict in kinds:
        return _named(option.flag, typed)
    if option.repeats:
        return tuple(typed)
    if tuple in kinds:
        return _numbers(option.flag, typed)
    if option.typed is str and (float in kinds or int in kinds):
        return _number_or_word(option, typed, float if float in kinds else int)
    return typed


def _named(flag: str, given: list[str]) -> dict[str, Scalar]:
    """NAME=VALUE, any number of times. Raises: RecipeError."""
    found: dict[str, Scalar] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise RecipeError(f"{flag} {each}", hint="NAME=VALUE, such as density=0.2")
        if name in found:
            raise RecipeError(f"{flag} {name} was given twice")
        found[name] = _scalar(value)
    return found


def _scalar(text: str) -> Scalar:
    """A number, several between commas or a truth value, where the text is one."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    numbers = text.split(",")
    if len(numbers) > 1:
        try:
            return tuple(float(number) for number in numbers)
        except ValueError:
            return text
    return text


def _numbers(flag: str, typed: str) -> tuple[float, ...]:
    """Numbers between commas. Raises: RecipeError."""
    try:
        return tuple(float(number) for number in typed.split(","))
    except ValueError as error:
        raise RecipeError(f"{flag} {shortened(typed)}", hint="numbers, such as .5,.3,.2") from error


def _number_or_word(option: DeclaredOption, typed: str, kind: type) -> Any:
    """A number, or one of the option's words. Raises: RecipeError."""
    words = [*option.words, *option.option.choices]
    if typed in words:
        return typed
    try:
        return kind(typed)
    except ValueError as error:
        known = ", ".join(f'"{word}"' for word in dict.fromkeys(words))
        raise RecipeError(
            f"{option.flag} {shortened(typed)}", hint=f"a number, or {known}"
        ) from error
