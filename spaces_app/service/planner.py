"""Plans of merges, made with a visitor's token only where they need it."""

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
from spaces_app.service.job_store import JobStore
from spaces_app.service.limits import Limits, check_plan, check_recipe
from spaces_app.service.short_tasks import TaskRunner
from spaces_app.service.visitors import Visitor

CACHED_PLANS = 200
"""Most plans kept in memory, so that submitting a planned merge asks the Hub nothing."""
CACHE_SECONDS = 300
PAST = 50
"""Most finished merges an estimate uses."""
HIDDEN = ("NotFoundError", "AccessError")
"""Errors that a private or gated repository gives without a token."""


@dataclass(frozen=True)
class PlanResult:
    """A plan, whether it needed the visitor's token, and the estimated seconds of the merge.

    between: shortest and longest of these seconds.
    """

    plan: dict[str, Any]
    private: bool
    seconds: float | None
    between: tuple[float, float] | None = None


class Planner:
    """Makes plans and caches them."""

    def __init__(
        self, tasks: TaskRunner, folders: Folders, store: JobStore, limits: Limits
    ) -> None:
        self._tasks, self._folders, self._store = tasks, folders, store
        self._limits = limits
        self._known: OrderedDict[tuple[str, str], tuple[float, PlanResult]] = OrderedDict()
        self._lock = threading.Lock()

    def plan(self, visitor: Visitor, recipe: Recipe) -> PlanResult:
        """What `recipe` would do, or why it cannot; no weights are downloaded. Raises: Refused.

        The Hub is asked without the visitor's token first, and with it only for private or gated
        repositories.
        """
        with refusing():
            check_recipe(recipe, self._limits)
        key = (visitor.key, recipe.to_yaml())
        with self._lock:
            moment, planned = self._known.get(key, (0.0, None))
        if planned is None or time.monotonic() - moment >= CACHE_SECONDS:
            planned = self._make(visitor, recipe)
            with self._lock:
                self._known[key] = (time.monotonic(), planned)
                while len(self._known) > CACHED_PLANS:
                    self._known.popitem(last=False)
        with refusing():
            check_plan(planned.plan, self._limits)  # what is too large here is known, too
        return planned

    def _make(self, visitor: Visitor, recipe: Recipe) -> PlanResult:
        """A new plan, however large the merge is."""
        plan, private = self._run_plan(visitor, {"recipe": recipe_json(recipe)})
        done = self._store.done(PAST)
        past = estimate.expected(plan, done)
        seconds = sum(past.values()) if past else None
        return PlanResult(plan, private, seconds, estimate.between(plan, done))

    def _run_plan(self, visitor: Visitor, content: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        key = visitor.key
        try:
            plan = self._tasks.run("plan", content, visitor=key, cache=self._folders.shared)
            return plan, False
        except Refused as refused:
            if visitor.token is None or refused.refusal.kind not in HIDDEN:
                raise
        content = {**content, "token": visitor.token}
        return self._tasks.run("plan", content, visitor=key), True


def recipe_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON."""
    return recipe.model_dump(mode="json", by_alias=True)
