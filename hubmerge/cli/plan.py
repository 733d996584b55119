"""hubmerge plan: everything that can be known before the weights are downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.cli import options as o
from hubmerge.cli.merging import merging
from hubmerge.cli.wording import COMMAND_LINE

if TYPE_CHECKING:
    from hubmerge.hub.destination import Destination
    from hubmerge.recipe import Recipe

NAME = "plan"


def _plan(recipe: Recipe, destination: Destination, json: bool) -> None:
    """Say what merge would do and need, or why it cannot; no weights are downloaded."""
    from hubmerge.pipeline.plan import plan
    from hubmerge.planning.text import render_plan

    found = plan(recipe, destination)
    o.say(found.model_dump_json(indent=2) if json else render_plan(found, COMMAND_LINE))


command = merging(_plan)
