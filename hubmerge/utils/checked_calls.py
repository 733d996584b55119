"""Calls of the public functions, refused in hubmerge's own words where they cannot be right."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import listed
from hubmerge.utils.suggestions import did_you_mean

C = TypeVar("C", bound=Callable[..., Any])

MAKERS = {
    "LoadedModel": 'hubmerge.load("ORG/NAME") loads one',
    "PreTrainedModel": "a class of transformers' is one",
    "Recipe": 'hubmerge.Recipe(models=("ORG/A", "ORG/B")) makes one, hubmerge.read_recipe(...) '
    "reads one",
    "Destination": "hubmerge.Destination(out=..., push=...) makes one",
    "Found": "hubmerge.match(a, b) finds one",
    "Path": 'pathlib.Path("...") makes one',
    "Merged": "hubmerge.merge(a, b) makes one",
}
"""Type of an argument -> how to get one."""
NAMES = {"str": "text", "int": "a whole number", "float": "a number", "bool": "True or False"}
"""Plain types in words."""
SHOWN = 60
"""Characters of a value that are quoted."""


def checked(function: C) -> C:
    """Makes a function, or a class, refuse arguments that are unknown, missing or of another type.

    Raises: RecipeError, which quotes the argument and names the nearest one there is.
    """
    if inspect.isclass(function):
        setattr(function, "__init__", _guarded(function.__init__, function.__name__))  # noqa: B010
        return function
    return cast(C, _guarded(function, function.__name__))


def _guarded(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    signature = inspect.signature(function)

    @cache
    def hints() -> dict[str, Any]:
        return get_type_hints(function)

    @wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        _refuse_unknown(name, signature, given)
        try:
            bound = signature.bind(*args, **given)
        except TypeError as error:
            raise RecipeError(
                f"{name}() was called otherwise than it can be",
                found=str(error),
                hint=f"{name}{_without_self(signature)}",
            ) from None
        for argument, value in bound.arguments.items():
            expected = hints().get(argument)
            if expected is not None and not _is(value, expected):
                raise _wrong_type(name, argument, value, expected)
        return function(*args, **given)

    return call


def _refuse_unknown(name: str, signature: inspect.Signature, given: Mapping[str, Any]) -> None:
    known = [each for each in signature.parameters if each != "self"]
    for argument in given:
        if argument not in known:
            raise RecipeError(
                f"{name}() has no argument {argument!r}",
                found=f"arguments: {', '.join(known)}",
                hint=did_you_mean(argument, known),
                field=argument,
            )


def _without_self(signature: inspect.Signature) -> str:
    return f"({', '.join(name for name in signature.parameters if name != 'self')})"


def _wrong_type(name: str, argument: str, value: Any, expected: Any) -> RecipeError:
    kinds = [kind for kind in _members(expected) if kind is not type(None)]
    makers = [MAKERS[kind.__name__] for kind in kinds if getattr(kind, "__name__", "") in MAKERS]
    return RecipeError(
        f"{name}() takes {listed([_named(kind) for kind in kinds])} as {argument!r}",
        found=f"{_shown(value)}, {_article(type(value).__name__)}",
        hint="; ".join(makers) or None,
        field=argument,
    )


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."


def _named(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return listed([repr(each) for each in get_args(kind)])
    name = getattr(get_origin(kind) or kind, "__name__", str(kind))
    return NAMES.get(name) or _article(name)


def _article(name: str) -> str:
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"


def _members(expected: Any) -> Sequence[Any]:
    if get_origin(expected) in (Union, types.UnionType):
        return get_args(expected)
    return (expected,)


def _is(value: Any, expected: Any) -> bool:
    """Whether a value is of a type, its items not looked at."""
    return any(_is_one(value, kind) for kind in _members(expected))


def _is_one(value: Any, kind: Any) -> bool:
    if kind is Any or isinstance(kind, TypeVar):
        return True
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind in (int, float):
        number = Integral if kind is int else Real
        return isinstance(value, number) and not isinstance(value, bool)
    plain = get_origin(kind) or kind
    return not inspect.isclass(plain) or isinstance(value, plain)
