"""Plan a merge: everything that can be known and refused before weights are downloaded."""

from __future__ import annotations

from dataclasses import replace

from hubmerge.hub.destination import Destination
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.outlined import outlined
from hubmerge.pipeline.resolve import resolve
from hubmerge.planning.make_plan import make_plan
from hubmerge.planning.plan import Plan
from hubmerge.recipe import Recipe
from hubmerge.utils.checked_calls import checked


@checked
def plan(recipe: Recipe, destination: Destination | None = None) -> Plan:
    """What merging by `recipe` would do. Raises: what would stop it."""
    return plan_of(resolve(recipe, destination))


def plan_of(run: Run, *, here: bool = True) -> Plan:
    """What that merge would do, here or on another machine. Raises: what would stop it."""
    with outlined(run.recipe, run.sources) as found:
        for name, stage in run.stages.items():
            unwritten = stage.out.with_name(f"{stage.out.name}.planned")
            make_plan(replace(stage, sources=found.stages[name], out=unwritten), here=here)
        return make_plan(replace(run, sources=found.sources), here=here)
