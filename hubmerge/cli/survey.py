"""What the commands about surveys share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from hubmerge.cli import options as o
from hubmerge.cli.command import command
from hubmerge.hub.destination import Destination
from hubmerge.options.declared import SURVEY
from hubmerge.recipe import Recipe

if TYPE_CHECKING:
    from hubmerge.reporting.schema.survey_results import Surveyed


def survey_command(
    act: Callable[..., None], options: type, *, takes: Collection[str] = (SURVEY,)
) -> Callable[..., None]:
    """A command for a survey with options of its own beside those that all surveys take."""
    return command(act, options, Recipe, o.RecipeFile, Destination, o.Output, takes=takes)


def say_found(found: Surveyed, *, json: bool) -> None:
    """Prints what a survey found: a sentence and its tables, or all of it as JSON."""
    from hubmerge.reporting.survey_kinds import found_text

    o.say(found.model_dump_json(indent=2) if json else found_text(found))
