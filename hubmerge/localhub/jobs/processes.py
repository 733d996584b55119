"""The jobs of one embedded Hub: started, followed and ended, and never written to disk."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from hubmerge.localhub import limits
from hubmerge.localhub.environment import client_environment
from hubmerge.localhub.jobs.form import CACHE, HOME, Job
from hubmerge.localhub.jobs.supervise import LATE
from hubmerge.localhub.jobs.volumes import lay_out
from hubmerge.localhub.records import now
from hubmerge.localhub.refusal import Refusal
from hubmerge.localhub.store import Store

Stage = Literal["SCHEDULING", "RUNNING", "COMPLETED", "CANCELED", "ERROR"]
OVER = ("COMPLETED", "CANCELED", "ERROR")
LONGEST = 10.0
"""Seconds in which a job that is ended is gone."""
KEPT = ("PATH", "LANG", "LC_ALL", "OMP_NUM_THREADS")
"""What a job has of this process's environment."""

Prepare = Callable[[Job], list[str]]
"""The program that stands for `hubmerge` in a job, and what it needs before its own words."""


def this_hubmerge(job: Job) -> list[str]:
    """The hubmerge that serves, by its own Python; the wheel is checked, and not installed."""
    return [sys.executable, "-P", "-m", "hubmerge.cli"]


@dataclass(kw_only=True)
class Run:
    """A job that was accepted."""

    id: str
    job: Job
    created: str
    stage: Stage = "SCHEDULING"
    message: str | None = None
    started: str | None = None
    finished: str | None = None
    lines: list[dict[str, str]] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    thread: threading.Thread | None = None
    canceled: bool = False

    def described(self, caller: str) -> dict[str, Any]:
        """As the client reads it; secrets are not repeated."""
        owner = {"id": caller, "name": caller, "type": "user"}
        return {
            "id": self.id,
            "createdAt": self.created,
            "startedAt": self.started,
            "finishedAt": self.finished,
            "command": [*self.job.command],
            "arguments": [],
            "environment": {**self.job.environment},
            "flavor": self.job.flavor,
            "labels": {**self.job.labels},
            "status": {"stage": self.stage, "message": self.message},
            "durations": {"runningSecs": self._seconds()},
            "owner": owner,
            "initiator": owner,
        }

    def _seconds(self) -> int | None:
        if self.started is None:
            return None
        end = self.finished or now()
        return round((_time(end) - _time(self.started)).total_seconds())


class LocalJobs:
    """Runs hubmerge's own jobs for the owner of an embedded Hub.

    with embedded_hub(folder, jobs=LocalJobs()) as hub: ...

    prepare: what stands for `hubmerge`; by default the one that serves. Every job has a folder and
    an environment of its own, and ends with its time limit, when it is cancelled, and with the
    server, however that ends.
    """

    def __init__(self, prepare: Prepare = this_hubmerge) -> None:
        self._prepare = prepare
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()

    def start(self, store: Store, job: Job, url: str) -> Run:
        """Starts a job that was checked. Refuses (429) more at once than there may be."""
        run = Run(id=secrets.token_hex(12), job=job, created=now())
        with self._lock:
            if sum(each.stage not in OVER for each in self._runs.values()) >= limits.JOBS:
                raise Refusal(429, f"At most {limits.JOBS} jobs run at once")
            over = [each.id for each in self._runs.values() if each.stage in OVER]
            for old in over[: max(0, len(self._runs) - limits.JOBS_KEPT)]:
                del self._runs[old]
            self._runs[run.id] = run
        run.thread = threading.Thread(target=self._carry_out, args=(store, run, url), daemon=True)
        run.thread.start()
        return run

    def named(self, id_: str) -> Run:
        """A job. Refuses (404) what is none."""
        run = self._runs.get(id_)
        if run is None:
            raise Refusal(404, "Job not found")
        return run

    def all(self) -> list[Run]:
        """Every job that is remembered, the newest first."""
        return [*self._runs.values()][::-1]

    def cancel(self, run: Run) -> None:
        """Ends a job, and waits until it has; one that is over stays as it is."""
        if run.stage in OVER:
            return
        run.canceled = True
        _hang_up(run.process)
        if run.thread is not None:
            run.thread.join(LONGEST)

    def close(self) -> None:
        """Ends all jobs, and waits until nothing of them is left."""
        for run in self.all():
            self.cancel(run)

    def _carry_out(self, store: Store, run: Run, url: str) -> None:
        root = Path(tempfile.mkdtemp(prefix="hubmerge-job-"))
        try:
            lay_out(store, run.job, root)
            code = self._run(run, root, url)
            self._settle(run, code)
        except Exception as error:
            run.stage, run.message = "ERROR", f"It could not be started: {type(error).__name__}"
            run.finished = now()
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def _run(self, run: Run, root: Path, url: str) -> int:
        """Runs the command and keeps its lines; its exit code."""
        work = root / "work"
        work.mkdir()
        place = str(root) + f"{HOME}/{run.job.place}"
        asked = {
            "command": [*self._prepare(run.job), "job", place],
            "cwd": str(work),
            "environment": _environment(run.job, root, url),
            "seconds": run.job.seconds,
        }
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("supervise.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=work,
        )
        run.process, run.started, run.stage = process, now(), "RUNNING"
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.flush()
        if run.canceled:
            _hang_up(process)
        while line := process.stdout.readline(limits.JOB_LINE):
            if len(run.lines) < limits.JOB_LINES:
                text = line.decode(errors="replace").rstrip("\n").replace(str(root), "")
                run.lines.append({"data": text, "timestamp": now()})
        return process.wait()

    def _settle(self, run: Run, code: int) -> None:
        run.finished = now()
        if run.canceled:
            run.stage = "CANCELED"
        elif code == LATE:
            run.stage, run.message = "ERROR", "Job timeout"
        elif code:
            run.stage, run.message = "ERROR", f"Job failed with exit code: {code}"
        else:
            run.stage = "COMPLETED"


def _environment(job: Job, root: Path, url: str) -> dict[str, str]:
    """What a job gets: a home of its own, this Hub, the caller's token, this Python's modules."""
    home = root / "home"
    home.mkdir()
    client = client_environment(url, job.token, home / "huggingface")
    own = {*KEPT, "DISABLE_SAFETENSORS_CONVERSION", "NO_PROXY", "no_proxy"}
    cache = {"HF_HUB_CACHE": str(root) + CACHE} if "HF_HUB_CACHE" in job.environment else {}
    return {
        **{n: v for n, v in client.items() if n in own or n.startswith("HF_")},
        **cache,
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def _hang_up(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
