"""hubmerge simplex: everything that lies between several models."""

from __future__ import annotations

from hubmerge.cli import options as o
from hubmerge.cli.survey import say_found, survey_command
from hubmerge.hub.destination import Destination
from hubmerge.landscape.options import SimplexOptions
from hubmerge.recipe import Recipe

NAME = "simplex"


def _simplex(
    options: SimplexOptions, recipe: Recipe, destination: Destination, output: o.Output
) -> None:
    """Measure the simplex of several models, aligned jointly, refined, or each to the first."""
    from hubmerge.surveys.simplex import find_simplex

    with o.working():
        found = find_simplex(recipe, samples=options.points, out=destination.out)
    say_found(found, json=output.json)


command = survey_command(_simplex, SimplexOptions)
