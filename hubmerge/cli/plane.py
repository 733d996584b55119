"""hubmerge plane: the loss all around two models."""

from __future__ import annotations

from hubmerge.cli import options as o
from hubmerge.cli.survey import say_found, survey_command
from hubmerge.hub.destination import Destination
from hubmerge.landscape.options import PlaneOptions
from hubmerge.recipe import Recipe

NAME = "plane"


def _plane(
    options: PlaneOptions, recipe: Recipe, destination: Destination, output: o.Output
) -> None:
    """Map the loss on the plane through A, B as given, and B aligned with A."""
    from hubmerge.surveys.plane import find_plane

    with o.working():
        found = find_plane(recipe, grid=options.grid, out=destination.out)
    say_found(found, json=output.json)


command = survey_command(_plane, PlaneOptions)
