"""hubmerge plan: everything that can be known before the weights are downloaded."""

from __future__ import annotations

from hubmerge.cli import options as o
from hubmerge.cli.command import command as made
from hubmerge.cli.wording import COMMAND_LINE
from hubmerge.hub.destination import Destination
from hubmerge.recipe import Recipe

NAME = "plan"


def _plan(recipe: Recipe, destination: Destination, output: o.Output) -> None:
    """Say what merge would do and need, or why it cannot; no weights are downloaded."""
    from hubmerge.pipeline.plan import plan
    from hubmerge.planning.text import render_plan

    found = plan(recipe, destination)
    o.say(found.model_dump_json(indent=2) if output.json else render_plan(found, COMMAND_LINE))


command = made(
    _plan,
    Recipe,
    o.RecipeFile,
    Destination,
    o.Output,
    examples=(
        "hubmerge plan me/left me/right --dataset me/data",
        "hubmerge plan --recipe both --json",
    ),
)
