"""hubmerge diagnose: how two models are related, before any merge."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from hubmerge.cli import options as o
from hubmerge.cli.command import command as made
from hubmerge.options.declared import DIAGNOSE
from hubmerge.recipe import Recipe

if TYPE_CHECKING:
    from hubmerge.surveys.diagnose import Diagnosis

NAME = "diagnose"


def _diagnose(recipe: Recipe, output: o.Output) -> None:
    """Say how B is related to A, how far apart their units are, and what to merge them by."""
    from hubmerge.surveys.diagnose import diagnose
    from hubmerge.surveys.diagnosis_text import diagnosis_text

    with o.working():
        found = diagnose(recipe)
    o.say(found.model_dump_json(indent=2) if output.json else diagnosis_text(found, _command))


def _command(found: Diagnosis) -> str:
    """The merge that is advised, as a command."""
    data = ["--dataset", found.dataset] if found.dataset else []
    words = [*found.models, "--match", found.match, "--fuse", found.fuse, *data]
    return f"hubmerge merge {shlex.join(words)}"


command = made(_diagnose, Recipe, o.Output, takes=(DIAGNOSE,))
