"""Jobs on disk: one sqlite file, which survives a restart."""

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


class JobStore:
    """All jobs. Every change is on disk when the call returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        with self._lock:
            self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = full")
            self._database.execute(SCHEMA)

    def put(self, job: Job) -> None:
        """Store `job` as it is now."""
        row = (job.id, job.owner, job.state, job.created, job.ended, job.model_dump_json())
        with self._lock:
            self._database.execute("insert or replace into jobs values (?, ?, ?, ?, ?, ?)", row)

    def get(self, job_id: str) -> Job | None:
        """The job of that id."""
        return next(iter(self._select("where id = ?", job_id)), None)

    def remove(self, job_id: str) -> None:
        """Delete a job."""
        with self._lock:
            self._database.execute("delete from jobs where id = ?", (job_id,))

    def waiting(self) -> list[Job]:
        """Jobs in the queue, the oldest first."""
        return self._select("where state = ? order by created", State.WAITING)

    def running(self) -> list[Job]:
        """Running jobs, those that ran when the service ended included."""
        return self._select("where state = ? order by created", State.RUNNING)

    def of(self, owner: str) -> list[Job]:
        """Jobs of a visitor, the newest first."""
        return self._select("where owner = ? order by created desc", owner)

    def by(self, recipe: str) -> list[Job]:
        """Jobs by that recipe, the newest first."""
        newest = "where json_extract(content, '$.recipe') = ? order by created desc"
        return self._select(newest, recipe)

    def done(self, limit: int) -> list[Job]:
        """Finished merges, the newest first."""
        return self._select("where state = ? order by ended desc limit ?", State.DONE, limit)

    def ended_before(self, moment: float) -> list[Job]:
        """Jobs that ended before `moment` (seconds since the epoch)."""
        return self._select("where ended < ?", moment)

    def ids(self) -> set[str]:
        """Ids of all jobs."""
        with self._lock:
            return {row[0] for row in self._database.execute("select id from jobs")}

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def _select(self, condition: str, *values: object) -> list[Job]:
        with self._lock:
            rows = self._database.execute(
                f"select content from jobs {condition}", values
            ).fetchall()
        return [Job.model_validate_json(row[0]) for row in rows]
