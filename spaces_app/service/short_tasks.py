"""Short pieces of work, each in a process of its own: plans, trials, archives, uploads."""

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

ACTS = ("plan", "attempt", "pack", "publish")


class Short:
    """Runs what somebody waits for; so many of each kind at once."""

    def __init__(self, folders: Folders, limits: Limits, metrics: Metrics) -> None:
        self._folders, self._limits, self._metrics = folders, limits, metrics
        self._lanes = {act: threading.BoundedSemaphore(limits.light) for act in ACTS}

    def run(
        self,
        act: str,
        content: dict[str, Any],
        *,
        folder: Path | None = None,
        cache: Path | None = None,
        patience: float | None = None,
    ) -> dict[str, Any]:
        """The act's answer. Raises: Refused.

        Without a folder, or a cache, it gets one that is gone afterwards, as is what it worked in,
        however it ended.
        """
        work = self._folders.job(f"short-{secrets.token_hex(8)}")
        outcome = "refused"
        with self._lanes[act]:
            begun = time.monotonic()
            try:
                work.mkdir()
                content = {**content, "work": str(work)}
                asked = request(act, folder or work, cache or work / "cache", self._limits, content)
                answer = Worker(asked).run(patience=patience or self._limits.light_seconds)
                outcome = "done"
                return answer
            finally:
                self._metrics.record(act, outcome, time.monotonic() - begun)
                self._folders.remove(work.name)


def request(
    act: str, folder: Path, cache: Path, limits: Limits, content: dict[str, Any]
) -> dict[str, Any]:
    """What a worker is sent. It works in the act's folder, unless `content` names another."""
    where = {"folder": str(folder), "work": str(folder), "cache": str(cache), "hub": endpoint()}
    return {"act": act, **where, "memory": limits.memory, **content}
