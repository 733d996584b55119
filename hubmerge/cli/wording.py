"""Options and actions in the words of the command line."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from hubmerge.cli.options import option_name
from hubmerge.errors.wording import Value, Wording, listed

OTHERS = {"port": "--port"}
"""Options of single commands that no class of options declares."""


def option_text(field: str, values: Sequence[Value]) -> str:
    """An option, and the values it may take."""
    if field.startswith("fuse_options."):
        key = field.removeprefix("fuse_options.")
        return f"--fuse-option {listed([f'{key}={_word(value)}' for value in values])}"
    if field.startswith("folders."):
        name = field.removeprefix("folders.")
        return f"--map {listed([_word(f'{name}={value}') for value in values])}"
    name = OTHERS.get(field) or option_name(field)
    if field == "private" and list(values) == [False]:
        return "--public"
    if not values or list(values) == [True]:
        return name
    return f"{name} {listed([_word(value) for value in values])}"


def _word(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return shlex.quote(str(value))


COMMAND_LINE = Wording(
    option=option_text,
    add=lambda field: f"add {option_name(field)}",
    leave_out=lambda fields: f"leave out {listed([option_name(field) for field in fields], 'and')}",
    actions={
        "ask again": "run the same command again later",
        "check spec": "hubmerge specs check MODEL says which space moves the outputs",
        "list methods": "hubmerge methods lists what each of them means",
        "merge again": "hubmerge merge --recipe {}",
        "recipe docs": "see docs/recipe.md",
        "save alignment": "hubmerge match A B -o DIR saves one",
        "show all": "--json lists all",
        "sign in": "sign in with `hf auth login`, or set HF_TOKEN",
        "sign in again": "sign in again with `hf auth login`, or unset HF_TOKEN for what is public",
        "survey more": "hubmerge simplex and hubmerge complex take more",
        "survey path": "hubmerge path takes two",
        "use alignment": "match by hubmerge match --match activations --dataset D -o DIR, and "
        "merge without data by --alignment DIR",
        "whose token": "`hf auth whoami` says whose token it is",
    },
)
