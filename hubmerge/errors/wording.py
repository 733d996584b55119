"""Options and actions that a message mentions: named once, worded by every face.

A message is written where the fact is known, and read in Python, on a command line or on a page.
So it mentions an option by its field, and what can be done by its name:

    RecipeError(
        f"{option('match', 'activations')} needs calibration data",
        hint=f"add {option('dataset')}, or {option('match', 'weights')}, which needs none",
        field="match",
    )

A mention is a mark inside the text, which `render` replaces by the words of a face: `PYTHON` below,
`hubmerge.cli.wording` for the command line, `spaces_app.ui.wording` for the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Value = bool | int | float | str | None
"""What an option may hold."""

Action = Literal[
    "ask again",
    "check spec",
    "list methods",
    "merge again",
    "recipe docs",
    "save alignment",
    "show all",
    "sign in",
    "sign in again",
    "survey more",
    "survey path",
    "use alignment",
    "whose token",
]
"""What a message may propose to do, where faces do it differently."""

LONGEST = 200
"""Characters of a value that a message quotes whole."""

_MARK = re.compile("\x02([^\x02\x03]*)\x03")


@dataclass(frozen=True)
class Wording:
    """How one face words mentions.

    Parameters:
        option: the words for a field, and for the values it may take, if any are named.
        add: how a field is given that was not.
        leave_out: how the fields are left at their defaults.
        actions: the words for every action; `{}` stands for its detail.
    """

    option: Callable[[str, Sequence[Value]], str]
    add: Callable[[str], str]
    leave_out: Callable[[Sequence[str]], str]
    actions: Mapping[Action, str]


def option(field: str, *values: Value) -> str:
    """A mention of an option by its field, as in a recipe; a data set's as `dataset.split`.

    Parameters:
        values: what it is, or should be, set to: one value, or several to choose from.
    """
    return _mark("option", field, [_shortened(value) for value in values])


def _shortened(value: Value) -> Value:
    """Of what is too long to be read its beginning, and how long it is."""
    if isinstance(value, int) and abs(value) >= 10**LONGEST:
        return f"a number of {value.bit_length():,} bits"
    if not isinstance(value, str) or len(value) <= LONGEST:
        return value
    return f"{value[:40]}... ({len(value):,} characters)"


def add(field: str) -> str:
    """A mention of giving an option that was not given."""
    return _mark("add", field, ())


def leave_out(*fields: str) -> str:
    """A mention of leaving options out."""
    return _mark("leave out", "", fields)


def action(name: Action, detail: object = "") -> str:
    """A mention of something that can be done."""
    return _mark("action", name, (str(detail),))


def render(text: str, wording: Wording) -> str:
    """`text` with its mentions in the words of a face."""

    def worded(mark: re.Match[str]) -> str:
        try:
            kind, name, values = json.loads(mark[1])
            if kind == "option":
                return wording.option(name, values)
            if kind == "add":
                return wording.add(name)
            if kind == "leave out":
                return wording.leave_out(values)
            return wording.actions[name].replace("{}", values[0])
        except Exception:  # no mark of ours, but part of a quoted text
            return mark[0]

    return _MARK.sub(worded, text)


LONG = 80
"""Characters that are quoted whole."""


def shortened(text: str) -> str:
    """What was given; of a long text its beginning, in quotes, and how long it is."""
    return text if len(text) <= LONG else quoted(text)


def quoted(text: str, most: int = LONG) -> str:
    """What was given, in quotes; of a long text its beginning, and how long it is."""
    if len(text) <= most:
        return repr(text)
    return f"{text[:40]!r}... ({len(text):,} characters)"


def listed(items: Sequence[str], last: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    *others, end = items
    return f"{', '.join(others)} {last} {end}" if others else end


def _mark(kind: str, name: str, values: Sequence[Value]) -> str:
    return f"\x02{json.dumps([kind, name, values])}\x03"


def _python_option(field: str, values: Sequence[Value]) -> str:
    name, _, key = field.partition(".")
    shown = [_literal(value) for value in values]
    if name in ("fuse_options", "folders") and key:
        shown = [f"{{{_literal(key)}: {each}}}" for each in shown]
        field = name
    return f"{field}={listed(shown) if shown else ''}"


def _literal(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


PYTHON = Wording(
    option=_python_option,
    add=lambda field: f"add {_python_option(field, ())}",
    leave_out=lambda fields: f"leave out {listed([f'{field}=' for field in fields], 'and')}",
    actions={
        "ask again": "call it again later",
        "check spec": "`hubmerge specs check MODEL` in a shell says which space moves the outputs",
        "list methods": "hubmerge.reporting.methods.methods() lists what each of them means",
        "merge again": 'hubmerge.run(hubmerge.read_recipe("{}"))',
        "recipe docs": "see docs/recipe.md",
        "save alignment": "hubmerge.pipeline.find_matches.find_matches(recipe, folder) saves one",
        "show all": "to_json() has all",
        "sign in": "sign in with huggingface_hub.login(), or set HF_TOKEN",
        "sign in again": "sign in again with huggingface_hub.login(), or unset HF_TOKEN for what "
        "is public",
        "survey more": "hubmerge.find_simplex and hubmerge.survey_complex take more",
        "survey path": "hubmerge.find_path takes two",
        "use alignment": "find the alignment on the rows first, and merge without data",
        "whose token": "huggingface_hub.whoami() says whose token it is",
    },
)
"""A program: fields are keyword arguments, actions are functions."""


YAML = Wording(
    option=lambda field, values: (
        f"{_in_file(field)}: {listed([str(value) for value in values])}"
        if values
        else _in_file(field)
    ),
    add=lambda field: f"add {_in_file(field)}",
    leave_out=lambda fields: f"leave out {listed([_in_file(field) for field in fields], 'and')}",
    actions=PYTHON.actions,
)
"""A recipe's file: fields are keys of YAML."""


def _in_file(field: str) -> str:
    return "lambda" if field == "lam" else field
