"""Jobs on disk: one sqlite file, so that a restart of the program forgets none."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from spaces_app.service.job import Job, State

SCHEMA = """
create table if not exists jobs (
  id text primary key,
  owner text not null,
  state text not null,
  created real not null,
  ended real,
  content text not null
) strict
"""


class Store:
    """All jobs. Every change is on disk when the call returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        with self._lock:
            self._base.execute("pragma journal_mode = wal")
            self._base.execute("pragma synchronous = full")
            self._base.execute(SCHEMA)

    def put(self, job: Job) -> None:
        """Remember `job` as it is now."""
        row = (job.id, job.owner, job.state, job.created, job.ended, job.model_dump_json())
        with self._lock:
            self._base.execute("insert or replace into jobs values (?, ?, ?, ?, ?, ?)", row)

    def get(self, number: str) -> Job | None:
        """The job of that id."""
        return next(iter(self._select("where id = ?", number)), None)

    def remove(self, number: str) -> None:
        """Forget a job."""
        with self._lock:
            self._base.execute("delete from jobs where id = ?", (number,))

    def waiting(self) -> list[Job]:
        """Jobs in the queue, the oldest first."""
        return self._select("where state = ? order by created", State.WAITING)

    def running(self) -> list[Job]:
        """Jobs that are worked on, or were when the program ended."""
        return self._select("where state = ? order by created", State.RUNNING)

    def of(self, owner: str) -> list[Job]:
        """A person's jobs, the newest first."""
        return self._select("where owner = ? order by created desc", owner)

    def done(self, limit: int) -> list[Job]:
        """The last merges that stand, the newest first."""
        return self._select("where state = ? order by ended desc limit ?", State.DONE, limit)

    def ended_before(self, moment: float) -> list[Job]:
        """Jobs whose time is over."""
        return self._select("where ended < ?", moment)

    def ids(self) -> set[str]:
        """Of all jobs there are."""
        with self._lock:
            return {row[0] for row in self._base.execute("select id from jobs")}

    def close(self) -> None:
        """No more calls."""
        with self._lock:
            self._base.close()

    def _select(self, condition: str, *values: object) -> list[Job]:
        with self._lock:
            rows = self._base.execute(f"select content from jobs {condition}", values).fetchall()
        return [Job.model_validate_json(row[0]) for row in rows]
