"""Short tasks, each in its own process: plans, predictions, archives, uploads."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path
from typing import Any

from hubmerge.hub.client import endpoint
from spaces_app.service.folders import Folders
from spaces_app.service.limits import Limits
from spaces_app.service.metrics import Metrics
from spaces_app.service.worker import Worker

ACTIONS = ("plan", "predict", "pack", "publish")


class TaskRunner:
    """Runs short tasks, a limited number of each kind at a time."""

    def __init__(self, folders: Folders, limits: Limits, metrics: Metrics) -> None:
        self._folders, self._limits, self._metrics = folders, limits, metrics
        self._slots = {action: threading.BoundedSemaphore(limits.light) for action in ACTIONS}

    def run(
        self,
        action: str,
        content: dict[str, Any],
        *,
        folder: Path | None = None,
        cache: Path | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Run `action` in a worker process and return its answer. Raises: Refused.

        Without a folder or a cache it gets a temporary one. What it wrote to its working folder is
        removed.
        """
        work = self._folders.job(f"short-{secrets.token_hex(8)}")
        outcome = "refused"
        with self._slots[action]:
            start = time.monotonic()
            try:
                work.mkdir()
                content = {**content, "work": str(work)}
                asked = request(
                    action, folder or work, cache or work / "cache", self._limits, content
                )
                answer = Worker(asked).run(timeout=timeout or self._limits.light_seconds)
                outcome = "done"
                return answer
            finally:
                self._metrics.record(action, outcome, time.monotonic() - start)
                self._folders.remove(work.name)


def request(
    action: str, folder: Path, cache: Path, limits: Limits, content: dict[str, Any]
) -> dict[str, Any]:
    """The request to a worker. It works in `folder`, unless `content` names another."""
    where = {"folder": str(folder), "work": str(folder), "cache": str(cache), "hub": endpoint()}
    return {"action": action, **where, "memory": limits.memory, **content}
