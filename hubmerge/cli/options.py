"""What the command line makes of declared options, and the options that are its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from hubmerge.errors.printable import printable
from hubmerge.hub.destination import Destination
from hubmerge.jobs.options import Consent, Machine
from hubmerge.landscape import options as surveys
from hubmerge.options.declared import MODELS, OUTPUT, DeclaredOption, Option, options_of
from hubmerge.recipe import Recipe
from hubmerge.utils.durations import duration
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.silence import silence_libraries


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is printed."""

    json: Annotated[bool, Option("Print JSON.", group=OUTPUT)] = False
    quiet: Annotated[
        bool, Option("Print nothing but the result.", group=OUTPUT, flags="-q --quiet")
    ] = False


@dataclass(frozen=True, kw_only=True)
class RecipeFile:
    """A recipe that is written down."""

    recipe: Annotated[
        Path | None,
        Option("A hubmerge.yaml, or its folder, instead of models and options.", group=MODELS),
    ] = None
    folders: Annotated[
        tuple[str, ...],
        Option(
            "Where a folder lies that the recipe names, and that is unknown here or does not lie "
            "beside the recipe.",
            group=MODELS,
            flags="--map",
            metavar="NAME=FOLDER",
        ),
    ] = ()


@cache
def all_options() -> dict[str, DeclaredOption]:
    """Field -> option, of everything the command line takes."""
    kinds = (Output, RecipeFile, Machine, Consent, *surveys.OPTIONS, Destination, Recipe)
    return {field: option for kind in kinds for field, option in options_of(kind).items()}


def option_name(field: str) -> str:
    """What the command line calls a field: "--learning-steps" for "learning_steps".

    Parameters:
        field: as in Python or as in a recipe, alone or after the field that holds it:
            "lambda", "lam", "dataset.split", "split".
    """
    known = all_options()
    if field == "dataset":
        field = "dataset.id"
    for option in known.values():
        if field in (option.field, option.name, option.field.rpartition(".")[2]):
            return option.flag
    return field


def is_main_process() -> bool:
    """Whether this process may print: the first one, under accelerate or torchrun."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str) -> None:
    """Prints a result once, however many processes there are; what it quotes acts on nothing."""
    if is_main_process():
        print(printable(text), flush=True)


@dataclass
class _Asked:
    """What was asked for about what is printed."""

    quiet: bool = False
    took: float | None = None
    """Seconds that the work took, until that is said."""


_asked = _Asked()


def note(text: str) -> None:
    """Says something about the work beside its result, once, unless nothing is to be said."""
    if is_main_process() and not _asked.quiet:
        print(text, file=sys.stderr, flush=True)


@contextmanager
def working(expected: tuple[str, ...] = ()) -> Iterator[None]:
    """Inside, a terminal shows one line of progress; `took` says afterwards how long it was.

    Parameters:
        expected: the stages of a merge that will come.
    """
    from hubmerge.cli.progress.line import progress_line

    start = time.monotonic()
    with progress_line(expected, shown=is_main_process() and not _asked.quiet):
        yield
    _asked.took = time.monotonic() - start


def took() -> str | None:
    """How long the work took, to be said once; None if it was said, or there was none."""
    seconds, _asked.took = _asked.took, None
    return None if seconds is None else duration(seconds)


def note_choices(recipe: Recipe) -> None:
    """Says what was chosen because of another option."""
    if recipe.fuse_by_base:
        note(
            f"{option_name('base')} is given: the fusion is {recipe.fuse} "
            f"({option_name('fuse')} names another)"
        )


def settle(*, quiet: bool, json: bool) -> None:
    """Silences the libraries, whose bars and lines the one of `working` replaces."""
    _asked.quiet = quiet
    be_quiet()
    silence_libraries()
