"""Options: what a user can choose. Each is declared once, on the field that holds it.

    learning_steps: Annotated[int | None, Option("Most steps of a matcher.", group=MODELS)] = None

The command line, docs/recipe.md, docs/cli.md, the page's advanced panel and docstrings are made
from such fields.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hubmerge.registry import registry

MODELS, DATA, MEASURING = "Models and method", "Data", "Measuring"
TARGET, OUTPUT = "Where it goes", "Output"
GROUPS = (MODELS, DATA, MEASURING, TARGET, OUTPUT)
"""In the order in which they are shown."""
MATCH, DIAGNOSE, SURVEY, PATH, PUSH = "match", "diagnose", "survey", "path", "push"
COMMANDS = (MATCH, DIAGNOSE, SURVEY, PATH, PUSH)
"""Commands that take some of the options of `hubmerge merge`: SURVEY is path, plane, simplex and
complex."""


@dataclass(frozen=True)
class Option:
    """What a field of options means to users, and how it is shown to them.

    Parameters:
        help: one sentence or two, plain text.
        group: one of `GROUPS`.
        flags: its names on the command line, as "-o --out"; None: its field's name. "" if the
            command line does not have it.
        metavar: stands for its value in help.
        registry: name of the registry whose names are its choices, as "matchers".
        choices: other choices -> what each means.
        top: whether it is among the options that most people need, which are shown first.
        positional: whether it is an argument of the command line.
        also: what takes it beside `hubmerge merge` and `hubmerge plan`: see `COMMANDS`.
        label: what the page calls it; "" if the page's advanced panel does not show it.
        see: the page of docs/ that says more.
    """

    help: str
    _: KW_ONLY
    group: str
    flags: str | None = None
    metavar: str | None = None
    registry: str | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    top: bool = False
    positional: bool = False
    also: tuple[str, ...] = ()
    label: str | None = None
    see: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeclaredOption:
    """A field with its `Option`.

    Parameters:
        field: its name in Python, after those of the fields that hold it: "dataset.split".
        name: the same as a recipe's file has it: "lambda" for `lam`.
        annotation: its type, without metadata.
        required: whether it has no default.
        least, most: ends of its range, where it has any.
    """

    field: str
    name: str
    annotation: Any
    default: Any
    required: bool
    option: Option
    least: float | None = None
    most: float | None = None

    @property
    def types(self) -> tuple[Any, ...]:
        """What it takes: the members of its union, without None."""
        return tuple(kind for kind in _members(self.annotation) if kind is not type(None))

    @property
    def words(self) -> tuple[str, ...]:
        """The words that its type lists."""
        literals = [kind for kind in self.types if get_origin(kind) is Literal]
        return tuple(str(word) for kind in literals for word in get_args(kind))

    @property
    def repeats(self) -> bool:
        """Whether it holds any number of texts, or of names with values."""
        return any(
            get_origin(kind) is dict
            or (get_origin(kind) is tuple and _is_text(_plain(get_args(kind)[0])))
            for kind in self.types
        )

    @property
    def typed(self) -> Any:
        """What the command line takes for it: a type, or text that is read afterwards."""
        if self.repeats:
            return list[str]
        (kind,) = self.types if len(self.types) == 1 else (str,)
        return kind if kind in (bool, int, float, Path) else str

    @property
    def flags(self) -> tuple[str, ...]:
        """Its names on the command line, the long one first; none where it has no place there."""
        if self.option.flags is None:
            return ("--" + self.name.rpartition(".")[2].replace("_", "-"),)
        return tuple(sorted(self.option.flags.split(), key=len, reverse=True))

    @property
    def flag(self) -> str:
        """What the command line calls it; its name in a recipe where it has no place there."""
        if self.option.positional:
            return self.option.metavar or self.name
        return self.flags[0].partition("/")[0] if self.flags else self.name

    def choices(self) -> dict[str, str]:
        """Every choice -> what it means: those of its registry, and its words."""
        known = registry(self.option.registry) if self.option.registry else None
        names = {name: known.describe(name).summary for name in known} if known else {}
        meant = {word: self.option.choices.get(word, "") for word in self.words}
        return {**names, **self.option.choices, **meant}

    def described(self, *, named: bool = True, mark: str = "") -> str:
        """Its help with its choices and its range.

        Parameters:
            named: whether the names of its registry are listed.
            mark: what stands on both sides of every choice.
        """
        said, explained = [self.option.help], self.option.choices
        choices = self.choices() if named or not self.option.registry else {**explained}
        if choices:
            shown = [
                f"{mark}{name}{mark}" + (f" ({explained[name]})" if explained.get(name) else "")
                for name in choices
            ]
            said.append(f"Choices: {', '.join(shown)}.")
        ends = [
            *([] if self.least is None else [f"at least {self.least:g}"]),
            *([] if self.most is None else [f"at most {self.most:g}"]),
        ]
        if ends:
            said.append(f"{', '.join(ends).capitalize()}.")
        return " ".join(said)


def options_of(kind: type, *, within: str = "") -> dict[str, DeclaredOption]:
    """The options of a class, by field, with those of the classes that its fields hold."""
    return {option.field: option for option in _options(kind, within)}


def _options(kind: type, within: str) -> Iterator[DeclaredOption]:
    hints = get_type_hints(kind, include_extras=True)
    for name, (alias, default, required) in _fields(kind).items():
        annotation, metadata = _split(hints[name])
        nested = [each for each in map(_plain, _members(annotation)) if _is_model(each)]
        for each in nested:
            yield from _options(each, f"{within}{name}.")
        for option in (each for each in metadata if isinstance(each, Option)):
            yield DeclaredOption(
                field=f"{within}{name}",
                name=f"{within}{alias}",
                annotation=annotation,
                default=default,
                required=required,
                option=option,
                **_range(annotation, metadata),
            )


def _fields(kind: type) -> dict[str, tuple[str, Any, bool]]:
    """Field -> its name in a file, its default, and whether there is none."""
    if issubclass(kind, BaseModel):
        return {
            name: (
                info.alias or name,
                info.get_default(call_default_factory=True),  # type: ignore[call-overload]
                info.is_required(),
            )
            for name, info in kind.model_fields.items()
        }
    return {
        each.name: (each.name, each.default, each.default is dataclasses.MISSING)
        for each in dataclasses.fields(kind)  # type: ignore[arg-type]
    }


def _split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type and its metadata."""
    if get_origin(hint) is Annotated:
        return hint.__origin__, hint.__metadata__
    return hint, ()


def _plain(hint: Any) -> Any:
    return _split(hint)[0]


def _members(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, or the one there is."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(map(_plain, get_args(annotation)))
    return (_plain(annotation),)


def _is_model(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, BaseModel)


def _is_text(kind: Any) -> bool:
    return kind is str or (get_origin(kind) is Literal and isinstance(get_args(kind)[0], str))


def _range(annotation: Any, metadata: tuple[Any, ...]) -> dict[str, Any]:
    """The ends of the range of numbers, wherever in the annotation they stand."""
    found = list(metadata)
    if get_origin(annotation) in (Union, types.UnionType):
        found += [each for member in get_args(annotation) for each in _split(member)[1]]
    found = [
        inner
        for each in found
        for inner in (each.metadata if isinstance(each, FieldInfo) else (each,))
    ]
    ends: dict[str, Any] = {}
    for each in found:
        if isinstance(each, annotated_types.Ge):
            ends["least"] = each.ge
        if isinstance(each, annotated_types.Le):
            ends["most"] = each.le
    return ends


F = TypeVar("F", bound=Callable[..., Any])


def parameters_text(options: Mapping[str, DeclaredOption], indent: str = "    ") -> str:
    """A `Parameters` block of a docstring. options: parameter -> option."""
    lines = [f"{indent}{name}: {option.described(named=False)}" for name, option in options.items()]
    return "\n".join(["Parameters:", *lines])


def documented(kind: type, **other: str) -> Callable[[F], F]:
    """Adds to a function's docstring what its parameters mean: those called as fields of `kind`.

    Parameters:
        other: parameter -> the field it stands for, where it is called otherwise.
    """

    def describe(function: F) -> F:
        known = options_of(kind)
        meant = {name: other.get(name, name) for name in inspect.signature(function).parameters}
        # A nested class is called as the field that holds it.
        found = {
            name: known.get(called) or known[f"{called}.id"]
            for name, called in meant.items()
            if called in known or f"{called}.id" in known
        }
        said = inspect.cleandoc(function.__doc__ or "")
        function.__doc__ = f"{said}\n\n{parameters_text(found)}"
        return function

    return describe
