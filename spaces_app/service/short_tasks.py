"""Short tasks, each in its own process: plans, predictions, archives, uploads.

Every kind has lanes of its own, and so do visitors in them: slow tasks do not delay others.
"""

from __future__ import annotations

import secrets
import time
from functools import partial
from pathlib import Path
from typing import Any

from hubmerge.hub.client import endpoint
from spaces_app.service.folders import Folders
from spaces_app.service.job import Refusal, refusing
from spaces_app.service.lanes import Lanes
from spaces_app.service.limits import Limits
from spaces_app.service.metrics import Metrics
from spaces_app.service.worker import Worker

ACTIONS = ("plan", "predict", "pack", "publish", "hub_job")
HEAVY = ("merge", "verify")
"""Actions that may allocate as much as a merge."""
WAITING = 16
"""Tasks of one kind that wait: each holds one of the threads that answer requests."""
UPLOADS = 8
"""Uploads that take long and run at the same time: they need no processor, and are not ended for
others as long as there are fewer."""
CROWDED = Refusal(
    kind="TooLong",
    what="This took long, and others are waiting",
    hint="try again later, or ask for less",
)


class TaskRunner:
    """Runs short tasks, a limited number of each kind at a time."""

    def __init__(self, folders: Folders, limits: Limits, metrics: Metrics) -> None:
        self._folders, self._limits, self._metrics = folders, limits, metrics
        self._lanes = {
            action: Lanes(
                limits.light,
                UPLOADS if action == "publish" else limits.light,
                limits.fast_seconds,
                WAITING,
            )
            for action in ACTIONS
        }

    def run(
        self,
        action: str,
        content: dict[str, Any],
        *,
        visitor: str,
        folder: Path | None = None,
        cache: Path | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Run `action` in a worker process and return its answer. Raises: Refused.

        visitor: the key of who asks. timeout: seconds that replace the limit of this kind.
        Without a folder or a cache it gets a temporary one. What it wrote to its working folder is
        removed.
        """
        work = self._folders.job(f"short-{secrets.token_hex(8)}")
        outcome = "refused"
        with refusing(), self._lanes[action].turn(visitor) as turn:
            start = time.monotonic()
            try:
                work.mkdir()
                content = {**content, "work": str(work)}
                asked = request(
                    action, folder or work, cache or work / "cache", self._limits, content
                )
                worker = Worker(asked)
                turn.end, turn.slow_down = partial(worker.stop, CROWDED), worker.slow_down
                answer = worker.run(timeout=timeout or self._longest(action))
                outcome = "done"
                return answer
            finally:
                self._metrics.record(action, outcome, time.monotonic() - start)
                self._folders.remove(work.name)

    def _longest(self, action: str) -> float:
        limits = self._limits
        return limits.plan_seconds if action == "plan" else limits.light_seconds


def request(
    action: str, folder: Path, cache: Path, limits: Limits, content: dict[str, Any]
) -> dict[str, Any]:
    """The request to a worker. It works in `folder`, unless `content` names another."""
    where = {"folder": str(folder), "work": str(folder), "cache": str(cache), "hub": endpoint()}
    allowed = [limits.memory] if action in HEAVY else [limits.memory, limits.light_memory]
    memory = min(filter(None, allowed), default=0)
    bounds = {"memory": memory, "derive_seconds": limits.derive_seconds}
    return {"action": action, **where, **bounds, **content}
