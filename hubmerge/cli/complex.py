"""hubmerge complex: which of many models are joined by low loss, and how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.surveying import surveying

if TYPE_CHECKING:
    from hubmerge.survey.results import ComplexFound

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
    from hubmerge.survey.complex import survey_complex

    found = survey_complex(recipe, limit=limit, budget=budget, out=out)
    o.say(found.model_dump_json(indent=2) if json else _text(found))


def _text(found: ComplexFound) -> str:
    from hubmerge.letters import letters
    from hubmerge.reporting.figures import figure

    names = letters(len(found.models))
    lines = [found.sentence, ""]
    lines += [f"{name}  {model}" for name, model in zip(names, found.models, strict=True)]
    lines += ["", "simplex   largest excess (nats)"]
    for simplex in found.simplexes:
        label = "".join(names[k] for k in simplex.models)
        barrier = simplex.barrier
        interval = f"{figure(barrier.low)} to {figure(barrier.high)}"
        lines.append(f"{label:<8}  {figure(barrier.value)} ({interval})")
    lines += ["", "route     highest edge (nats, on validation rows)"]
    for way in found.routes:
        label = "-".join(names[k] for k in way.models)
        lines.append(f"{label:<8}  {figure(way.height)}{'' if way.low else '  not low'}")
    return "\n".join(lines)


command = surveying(_complex)
