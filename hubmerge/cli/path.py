"""hubmerge path: what lies on the way from one model to another."""

from __future__ import annotations

from hubmerge.cli import options as o
from hubmerge.cli.survey import say_found, survey_command
from hubmerge.hub.destination import Destination
from hubmerge.landscape.options import PathOptions
from hubmerge.options.declared import PATH, SURVEY
from hubmerge.recipe import Recipe

NAME = "path"


def _path(options: PathOptions, recipe: Recipe, destination: Destination, output: o.Output) -> None:
    """Find a low-loss path from A to B: align them, train a curve, measure both."""
    from hubmerge.surveys.path import find_path

    with o.working():
        found = find_path(recipe, **dict(options), out=destination.out)
    say_found(found, json=output.json)


command = survey_command(_path, PathOptions, takes=(SURVEY, PATH))
