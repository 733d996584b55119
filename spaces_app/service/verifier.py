"""Verifies public merges of the Hub, one after the other, while no merge waits or runs."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any

from spaces_app.service.folders import Folders
from spaces_app.service.gallery import GalleryEntry, gallery
from spaces_app.service.job import Refused
from spaces_app.service.job_store import JobStore
from spaces_app.service.limits import Limits
from spaces_app.service.log import log
from spaces_app.service.metrics import Metrics
from spaces_app.service.short_tasks import request
from spaces_app.service.verified import Verified, VerifiedStore
from spaces_app.service.visitors import anonymous_visitor
from spaces_app.service.worker import Worker

LEVELS = ("measure", "remake")
"""One after the other, so that something is known before the long work."""
PASSING = frozenset({"HubUnavailableError", "WorkerKilled", "WorkerLost", "Stopped"})
"""Refusals that say nothing of the merge; it is tried again after the next start."""
PAUSE = 60.0
"""Seconds between two looks at the Hub while there is nothing to verify."""


class Verifier:
    """A thread, and at most one process, which lets everything else go first."""

    def __init__(
        self,
        folders: Folders,
        jobs: JobStore,
        verified: VerifiedStore,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._folders, self._jobs, self._verified = folders, jobs, verified
        self._limits, self._metrics = limits, metrics
        self._passed_over: set[tuple[str, str]] = set()
        self._closing = threading.Event()
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Verify from now on."""
        if self._limits.verify_seconds and self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="verifier", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End what is verified; it is begun again at the next start."""
        self._closing.set()
        if self._worker is not None:
            self._worker.stop()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def verify_next(self) -> Verified | None:
        """Verify the newest public merge that was not; None if there is none, or no time now."""
        if self._jobs.waiting() or self._jobs.running():
            return None
        found = next(filter(self._is_wanted, gallery(anonymous_visitor("verifier"))), None)
        return None if found is None else self._verify(found.id, found.sha or "")

    def _is_wanted(self, entry: GalleryEntry) -> bool:
        if entry.private or not entry.sha or (entry.rows or 0) < self._limits.leaderboard_rows:
            return False
        known = (entry.id, entry.sha)
        return known not in self._passed_over and self._verified.get(*known) is None

    def _verify(self, merge: str, sha: str) -> Verified | None:
        """All levels, as far as they hold; what is found is kept after each."""
        said: Verified | None = None
        for level in LEVELS:
            try:
                said = self._one_level(merge, sha, level, said)
            except Refused as refused:
                if refused.refusal.kind in PASSING or self._closing.is_set():
                    self._passed_over.add((merge, sha))
                    return said
                why = (refused.refusal.what,)
                open_ = said or Verified(merge=merge, sha=sha, level=None)
                said = open_.model_copy(update={"why": why})
            self._verified.put(said)
            log("verified", merge=merge, sha=sha[:12], level=said.level, false=said.false)
            if said.level != level:
                break
        return said

    def _one_level(self, merge: str, sha: str, level: str, before: Verified | None) -> Verified:
        content: dict[str, Any] = {
            "merge": merge,
            "sha": sha,
            "level": level,
            "limits": self._limits.model_dump(),
            "before": before and before.model_dump(mode="json"),
        }
        place = self._folders.job(f"verify-{secrets.token_hex(8)}")
        start, outcome = time.monotonic(), "refused"
        try:
            place.mkdir()
            asked = request("verify", place, self._folders.shared, self._limits, content)
            self._worker = Worker(asked)
            answer = self._worker.run(
                lambda event: self._give_way(), timeout=self._limits.verify_seconds
            )
            outcome = "done"
            return Verified.model_validate(answer)
        finally:
            self._worker = None
            self._metrics.record("verify", outcome, time.monotonic() - start)
            self._folders.remove(place.name)

    def _give_way(self) -> None:
        if self._worker is not None:
            self._worker.slow_down()

    def _loop(self) -> None:
        while not self._closing.is_set():
            try:
                found = self.verify_next()
            except Exception as error:  # tried again in a minute
                found = None
                log("verifier_error", error=repr(error)[:300])
            if found is None and self._closing.wait(PAUSE):
                return
