"""hubmerge merge: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.cli import options as o
from hubmerge.cli.merging import merging
from hubmerge.cli.wording import COMMAND_LINE

if TYPE_CHECKING:
    from hubmerge.hub.destination import Destination
    from hubmerge.recipe import Recipe

NAME = "merge"


def _merge(recipe: Recipe, destination: Destination, json: bool) -> None:
    """Match, merge, repair, measure, and write a stock checkpoint with its report card."""
    from hubmerge.pipeline.run import run
    from hubmerge.reporting.text import render_text

    result = run(recipe, destination)
    if json:
        o.say(result.report.to_json().rstrip())
        return
    o.say(render_text(result.report, result.folder, COMMAND_LINE))
    if result.published is not None:
        published = result.published
        o.say(f"published        {published.pr_url or published.url}")
        if not published.changed:
            o.say("                 it stood there already: nothing was uploaded")


command = merging(_merge)
