"""hubmerge complex: which of many models are joined by low loss, and how."""

from __future__ import annotations

from hubmerge.cli import options as o
from hubmerge.cli.survey import say_found, survey_command
from hubmerge.hub.destination import Destination
from hubmerge.landscape.options import ComplexOptions
from hubmerge.recipe import Recipe

NAME = "complex"


def _complex(
    options: ComplexOptions, recipe: Recipe, destination: Destination, output: o.Output
) -> None:
    """Find the maximal low-loss simplexes among models, and the low route between every pair."""
    from hubmerge.surveys.complex import survey_complex

    with o.working():
        found = survey_complex(recipe, **dict(options), out=destination.out)
    say_found(found, json=output.json)


command = survey_command(_complex, ComplexOptions)
