"""hubmerge diagnose: how two models are related, before any merge."""

from __future__ import annotations

from hubmerge.cli import options as o
from hubmerge.cli.command import command as made
from hubmerge.options.declared import DIAGNOSE
from hubmerge.recipe import Recipe

NAME = "diagnose"


def _diagnose(recipe: Recipe, output: o.Output) -> None:
    """Say how B is related to A, how far apart their units are, and what to merge them by."""
    from hubmerge.surveys.diagnose import diagnose

    with o.working():
        found = diagnose(recipe)
    o.say(found.model_dump_json(indent=2) if output.json else str(found))


command = made(_diagnose, Recipe, o.Output, takes=(DIAGNOSE,))
