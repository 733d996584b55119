"""hubmerge complex: which of many models are joined by low loss, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.surveying import say_found, surveying

NAME = "complex"


def _complex(
    recipe: o.AnyRecipe,
    out: Path | None,
    json: bool,
    *,
    limit: Annotated[
        float,
        typer.Option(
            "--limit",
            help="Nats of excess loss that still count as low.",
            min=0,
            rich_help_panel=o.METHOD,
        ),
    ] = 0.02,
    budget: Annotated[
        int,
        typer.Option(
            "--budget", help="Faces that are tried at most.", min=1, rich_help_panel=o.METHOD
        ),
    ] = 100,
) -> None:
    """Find the maximal low-loss simplexes among models, and the low route between every pair."""
    from hubmerge.surveys.complex import survey_complex

    found = survey_complex(recipe, limit=limit, budget=budget, out=out)
    say_found(found, json=json)


command = surveying(_complex)
