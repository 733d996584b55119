"""Plan a merge: everything that can be known and refused before weights are downloaded."""

from __future__ import annotations

from hubmerge.hub.destination import Destination
from hubmerge.pipeline.resolve import resolve
from hubmerge.planning.make_plan import make_plan
from hubmerge.planning.plan import Plan
from hubmerge.recipe import Recipe
from hubmerge.utils.checked_calls import checked


@checked
def plan(recipe: Recipe, destination: Destination | None = None) -> Plan:
    """What merging by `recipe` would do. Raises: what would stop it."""
    return make_plan(resolve(recipe, destination))
