"""hubmerge plan: everything that can be known before the weights are downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from hubmerge.cli import options as o
from hubmerge.cli.command import command as made
from hubmerge.cli.starting import starting
from hubmerge.cli.wording import COMMAND_LINE
from hubmerge.errors import RecipeError
from hubmerge.errors.wording import leave_out, option
from hubmerge.hub.destination import Destination
from hubmerge.jobs.options import Machine
from hubmerge.options.declared import OUTPUT, Option
from hubmerge.recipe import Recipe

NAME = "plan"


@dataclass(frozen=True, kw_only=True)
class Depth:
    """How much is looked at."""

    quick: Annotated[
        bool,
        Option(
            "Read configurations and headers of weights alone, which takes seconds; says what is "
            "not checked.",
            group=OUTPUT,
            top=True,
        ),
    ] = False


def _plan(
    recipe: Recipe, destination: Destination, machine: Machine, depth: Depth, output: o.Output
) -> None:
    """Say what merge would do and need, or why it cannot; no weights are downloaded."""
    o.note_choices(recipe)
    if machine.is_elsewhere:
        _plan_of_job(recipe, destination, machine, depth, output)
        return
    if depth.quick:
        from hubmerge.planning.quick import quick_plan
        from hubmerge.planning.quick_text import render_quick_plan

        quick = quick_plan(recipe, destination)
        o.say(quick.model_dump_json(indent=2) if output.json else render_quick_plan(quick))
        return
    with starting(recipe):
        from hubmerge.pipeline.plan import plan
        from hubmerge.planning.text import render_plan

    with o.working():
        found = plan(recipe, destination)
    o.say(found.model_dump_json(indent=2) if output.json else render_plan(found, COMMAND_LINE))


def _plan_of_job(
    recipe: Recipe, destination: Destination, machine: Machine, depth: Depth, output: o.Output
) -> None:
    """Where a job would make the merge, and what that costs. Raises: RecipeError."""
    if depth.quick:
        raise RecipeError(
            f"{option('on')} is planned by all that a merge reads",
            hint=leave_out("quick"),
            field="on",
        )
    from hubmerge.cli.on_jobs import plan_of_job

    with o.working():
        text = plan_of_job(recipe, destination, machine, as_json=output.json)
    o.say(text)


command = made(
    _plan,
    Recipe,
    o.RecipeFile,
    Destination,
    Machine,
    Depth,
    o.Output,
    examples=(
        "hubmerge plan me/left me/right --dataset me/data",
        "hubmerge plan --quick me/left me/right",
        "hubmerge plan --recipe both --json",
    ),
)
