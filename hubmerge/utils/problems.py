"""What pydantic finds wrong with options, in the product's own words: a line per field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import Wording, action, option, render
from hubmerge.utils.suggestions import nearest

SHOULD_BE = "Input should be "
REQUIRED = "is required"
UNKNOWN = "extra_forbidden"
"""What pydantic calls a field that a class does not have."""


class Contradiction(Exception):
    """What several fields cannot say together.

    Parameters:
        text: what is wrong, with mentions of options.
        fields: those that it is about, the one to change first.
    """

    def __init__(self, text: str, *fields: str) -> None:
        super().__init__(text)
        self.fields = fields


def refusal(
    error: ValidationError, kind: type[BaseModel], what: str, wording: Wording | None = None
) -> RecipeError:
    """The error for options of a class that cannot be carried out.

    Parameters:
        kind: the class of the options.
        what: what holds them: "the recipe", or a file.
        wording: words the fields, where they stand in a file; None leaves that to the face.
    """
    lines: dict[str, list[str]] = {}
    fields: list[str] = []
    # An unknown field first: what is missing may be what it was meant to be.
    problems = sorted(error.errors(include_url=False), key=lambda each: each["type"] != UNKNOWN)
    for found in problems:
        field, item = _place(found, kind)
        if found["type"] == "too_short" and field in fields:
            continue  # its items are wrong, and so were not counted
        fields.append(field)
        lines.setdefault(_quoted(found, field, item), []).append(_message(found, field, kind))
    text = "\n".join(_line(at, _joined(said)) for at, said in lines.items())
    return RecipeError(
        f"{what} cannot be carried out",
        found=text if wording is None else render(text, wording),
        hint=action("recipe docs"),
        field=next(filter(None, fields), None),
        fields=tuple(dict.fromkeys(filter(None, fields))),
    )


def contradicted(error: Contradiction, what: str, wording: Wording | None = None) -> RecipeError:
    """The error for fields that contradict each other. Parameters as of `refusal`."""
    text = str(error)
    return RecipeError(
        f"{what} cannot be carried out",
        found=text if wording is None else render(text, wording),
        hint=action("recipe docs"),
        field=error.fields[0],
        fields=error.fields,
    )


def _place(found: ErrorDetails, kind: type[BaseModel]) -> tuple[str, int | None]:
    """The field it is about, "" if it is about several, and which item of it."""
    names = {info.alias or name: name for name, info in kind.model_fields.items()}
    if not found["loc"]:
        return "", None
    first, *rest = found["loc"]
    field = names.get(str(first), str(first))
    if rest and (_nested(kind, field) is not None or field == "fuse_options"):
        return f"{field}.{rest[0]}", None
    return field, next((each for each in rest if isinstance(each, int)), None)


def _nested(kind: type[BaseModel], field: str) -> type[BaseModel] | None:
    """The class of the options that a field holds."""
    info = kind.model_fields.get(field)
    members: Sequence[Any] = () if info is None else (info.annotation, *get_args(info.annotation))
    for each in members:
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _quoted(found: ErrorDetails, field: str, item: int | None) -> str:
    """The field with what it holds."""
    if not field:
        return ""
    held = found["input"]
    plain = _is_plain(held) and found["type"] != "missing"
    shown = option(field, held) if plain else option(field)
    return shown if item is None else f"{shown} (item {item + 1})"


def _is_plain(held: object) -> bool:
    """Whether a value can be quoted whole."""
    return held is None or isinstance(held, str | int | float)


def _message(found: ErrorDetails, field: str, kind: type[BaseModel]) -> str:
    if found["type"] == "missing":
        return REQUIRED
    if found["type"] == UNKNOWN:
        return "; ".join(filter(None, ["there is no such field", _nearest(field, kind)]))
    said = found["msg"].removeprefix("Value error, ")
    if not found["type"].endswith("_type") or _is_plain(found["input"]):
        return said
    return f"{said}, not of type {type(found['input']).__name__}"


def _nearest(field: str, kind: type[BaseModel]) -> str | None:
    """The field that may have been meant, as the face words it."""
    fields = {name: name for name in kind.model_fields}
    fields |= {info.alias: name for name, info in kind.model_fields.items() if info.alias}
    for outer in kind.model_fields:
        inner = _nested(kind, outer)
        inside = {name: f"{outer}.{name}" for name in (inner.model_fields if inner else ())}
        fields = inside | fields
    outer, _, last = field.rpartition(".")
    if outer:
        inner = _nested(kind, outer)
        fields = {name: f"{outer}.{name}" for name in (inner.model_fields if inner else ())}
    near = nearest(last, fields)
    return f"did you mean {option(fields[near[0]])}?" if near else None


def _line(place: str, message: str) -> str:
    if not place:
        return message
    return f"{place} {message}" if message == REQUIRED else f"{place}: {message}"


def _joined(messages: list[str]) -> str:
    """The messages about one field: of a union, what each of its types takes."""
    first, *others = dict.fromkeys(messages)
    return ", or ".join([first, *(each.removeprefix(SHOULD_BE) for each in others)])
