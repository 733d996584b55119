"""What may be chosen of each survey, beside the recipe that says what is surveyed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hubmerge.options.declared import MEASURING, Option
from hubmerge.recipe import RecipePart

CURVE, STEPS, GRID, POINTS, LIMIT, BUDGET = "bezier", 400, 15, 20, 0.02, 100
"""Defaults."""


class PathOptions(RecipePart):
    """The curve from one model to another."""

    curve: Annotated[
        str,
        Option("Which curve is trained.", group=MEASURING, registry="curves", top=True),
    ] = CURVE
    bends: Annotated[
        int | None,
        Field(ge=0),
        Option(
            "Trained points between the ends. Default: the curve's own number.",
            group=MEASURING,
            top=True,
        ),
    ] = None
    steps: Annotated[int, Field(ge=0), Option("Steps of training.", group=MEASURING, top=True)] = (
        STEPS
    )


class PlaneOptions(RecipePart):
    """The grid on the plane."""

    grid: Annotated[
        int, Field(ge=3), Option("Points along each side.", group=MEASURING, top=True)
    ] = GRID


class SimplexOptions(RecipePart):
    """The places that are measured in the simplex."""

    points: Annotated[
        int, Field(ge=1), Option("Points drawn from the inside.", group=MEASURING, top=True)
    ] = POINTS


class ComplexOptions(RecipePart):
    """What counts as low, and how long is searched."""

    limit: Annotated[
        float,
        Field(ge=0),
        Option("Nats of excess loss that still count as low.", group=MEASURING, top=True),
    ] = LIMIT
    budget: Annotated[
        int, Field(ge=1), Option("Most faces that are tried.", group=MEASURING, top=True)
    ] = BUDGET


OPTIONS = (PathOptions, PlaneOptions, SimplexOptions, ComplexOptions)
