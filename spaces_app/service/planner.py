"""What a merge would do, asked in a way that keeps private things private."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from hubmerge.recipe import Recipe
from spaces_app.service import estimate
from spaces_app.service.folders import Folders
from spaces_app.service.job import Refused, refusing
from spaces_app.service.job_store import Store
from spaces_app.service.limits import Limits, check_plan, check_recipe
from spaces_app.service.short_tasks import Short
from spaces_app.service.visitors import Person

PLANS = 200
"""Plans remembered, so that handing in what was just looked at asks the Hub nothing."""
PLAN_SECONDS = 300
PAST = 50
"""Finished merges an estimate may rest on."""
HIDDEN = ("NotFoundError", "AccessError")
"""What a private or gated repository looks like to who is not signed in."""


@dataclass(frozen=True)
class Planned:
    """A plan, whether it took the person's token, and how long the merge may take."""

    plan: dict[str, Any]
    private: bool
    seconds: float | None


class Planner:
    """Plans for many people."""

    def __init__(self, short: Short, folders: Folders, store: Store, limits: Limits) -> None:
        self._short, self._folders, self._store = short, folders, store
        self._limits = limits
        self._known: OrderedDict[tuple[str, str], tuple[float, Planned]] = OrderedDict()
        self._lock = threading.Lock()

    def plan(self, person: Person, recipe: Recipe) -> Planned:
        """What `recipe` would do, or why it cannot; no weights are downloaded. Raises: Refused.

        Asked without the person's token first, and with it only for what nobody else may see.
        """
        with refusing():
            check_recipe(recipe, self._limits)
        key = (person.key, recipe.to_yaml())
        with self._lock:
            moment, known = self._known.get(key, (0.0, None))
        if known is not None and time.monotonic() - moment < PLAN_SECONDS:
            return known
        plan, private = self._ask(person, {"recipe": plain(recipe)})
        with refusing():
            check_plan(plan, self._limits)
        past = estimate.expected(plan, self._store.done(PAST))
        planned = Planned(plan, private, sum(past.values()) if past else None)
        with self._lock:
            self._known[key] = (time.monotonic(), planned)
            while len(self._known) > PLANS:
                self._known.popitem(last=False)
        return planned

    def _ask(self, person: Person, content: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        try:
            return self._short.run("plan", content, cache=self._folders.shared), False
        except Refused as refused:
            if person.token is None or refused.refusal.kind not in HIDDEN:
                raise
        return self._short.run("plan", {**content, "token": person.token}), True


def plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON."""
    return recipe.model_dump(mode="json", by_alias=True)
