"""hf merge: `hubmerge merge` as an extension of the `hf` command.

`hf` runs the program `hf-merge` of an installed extension with everything that was typed after
`hf merge`. Its flags are those of `hubmerge merge`, which follow the habits of `hf` (`--json`,
`--quiet`, `--revision`, `--private`), and `--token`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from hubmerge.cli import main as run_command
from hubmerge.cli import merge
from hubmerge.cli.command import Command, epilog
from hubmerge.errors import RecipeError

PROGRAM = "hf merge"
TOKEN = "--token"
EXAMPLES = tuple(each.replace("hubmerge merge", PROGRAM) for each in merge.EXAMPLES)

app = typer.Typer(
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)
app.command(cls=Command, epilog=epilog(EXAMPLES))(merge.command)  # type: ignore[type-var]


def main() -> None:
    """Merge, with the arguments of this process."""
    run_command(run)


def run() -> None:
    """The command; a token that was given is used in this process alone."""
    token, rest = without_token(sys.argv[1:])
    if token is not None:
        os.environ["HF_TOKEN"] = token
    app(args=rest, prog_name=PROGRAM)


def without_token(typed: Sequence[str]) -> tuple[str | None, list[str]]:
    """The token of `--token TOKEN` or `--token=TOKEN`, and what else was typed.

    Raises: RecipeError, if no token follows.
    """
    token: str | None = None
    rest: list[str] = []
    words = iter(typed)
    for word in words:
        if word == "--":
            return token, [*rest, word, *words]
        name, equals, value = word.partition("=")
        if name != TOKEN:
            rest.append(word)
            continue
        token = value if equals else next(words, "")
        if not token:
            raise RecipeError(f"{TOKEN} has no value", hint=f"{TOKEN} hf_..., or `hf auth login`")
    return token, rest
