"""What the command line makes of declared options, and the options that are its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from hubmerge.errors.printable import printable
from hubmerge.hub.destination import Destination
from hubmerge.landscape import options as surveys
from hubmerge.options.declared import MODELS, OUTPUT, DeclaredOption, Option, options_of
from hubmerge.recipe import Recipe
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.silence import silence_libraries


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is printed."""

    json: Annotated[bool, Option("Print JSON.", group=OUTPUT)] = False
    quiet: Annotated[bool, Option("No progress bars.", group=OUTPUT, flags="-q --quiet")] = False


@dataclass(frozen=True, kw_only=True)
class RecipeFile:
    """A recipe that is written down."""

    recipe: Annotated[
        Path | None,
        Option("A hubmerge.yaml, or its folder, instead of models and options.", group=MODELS),
    ] = None


@cache
def all_options() -> dict[str, DeclaredOption]:
    """Field -> option, of everything the command line takes."""
    kinds = (Output, RecipeFile, *surveys.OPTIONS, Destination, Recipe)
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


def settle(*, quiet: bool, json: bool) -> None:
    """Silences everything but the result, where that was asked for."""
    be_quiet(quiet or not is_main_process())
    silence_libraries()
