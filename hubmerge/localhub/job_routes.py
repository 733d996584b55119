"""The addresses of jobs: `/api/jobs/…`, for the owner alone, where jobs are switched on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.responses import JSONResponse, Response, StreamingResponse

from hubmerge.localhub.accounts import OWNER, require_account
from hubmerge.localhub.jobs.form import read_job
from hubmerge.localhub.jobs.hardware import hardware
from hubmerge.localhub.jobs.processes import OVER, LocalJobs, Run
from hubmerge.localhub.jobs.volumes import require_own
from hubmerge.localhub.refusal import Refusal
from hubmerge.localhub.routing import Call, Routes

routes = Routes()
LOOK_AGAIN = 0.05
"""Seconds between two looks at a job's lines."""


@routes("GET", "/api/jobs/hardware")
def list_hardware(call: Call) -> Response:
    _jobs(call)
    return JSONResponse(hardware())


@routes("POST", "/api/jobs/{namespace}")
def start(call: Call) -> Response:
    jobs = _own(call)
    _, _, token = call.request.headers.get("authorization", "").partition(" ")
    job = read_job(call.json(), token=token.strip(), url=call.base)
    require_own(call.store, job, OWNER)
    return JSONResponse(jobs.start(call.store, job, call.base).described(OWNER))


@routes("GET", "/api/jobs/{namespace}")
def list_jobs(call: Call) -> Response:
    jobs, query = _own(call), call.request.query_params
    stages = query.getlist("stage")
    labels = [each.partition("=")[::2] for each in query.getlist("label")]
    found = [
        run.described(OWNER)
        for run in jobs.all()
        if (not stages or run.stage in stages)
        and all(run.job.labels.get(name) == value for name, value in labels)
    ]
    return JSONResponse(found)


@routes("GET", "/api/jobs/{namespace}/{id}")
def inspect(call: Call) -> Response:
    return JSONResponse(_named(call).described(OWNER))


@routes("POST", "/api/jobs/{namespace}/{id}/cancel")
def cancel(call: Call) -> Response:
    run = _named(call)
    _own(call).cancel(run)
    return JSONResponse(run.described(OWNER))


@routes("GET", "/api/jobs/{namespace}/{id}/logs")
async def logs(call: Call) -> Response:
    """The lines so far and those to come, until the job is over."""
    run = _named(call)
    headers = {"Cache-Control": "no-cache"}
    return StreamingResponse(_lines(run), media_type="text/event-stream", headers=headers)


async def _lines(run: Run) -> AsyncIterator[str]:
    sent, quiet = 0, 0.0
    while True:
        over = run.stage in OVER
        for line in run.lines[sent:]:
            yield f"data: {json.dumps(line)}\n\n"
            sent, quiet = sent + 1, 0.0
        if over and sent == len(run.lines):
            return
        await asyncio.sleep(LOOK_AGAIN)
        quiet += LOOK_AGAIN
        if quiet >= 15:
            yield ": keep-alive\n\n"
            quiet = 0.0


def _named(call: Call) -> Run:
    return _own(call).named(call.values["id"])


def _own(call: Call) -> LocalJobs:
    """The jobs, for their owner, signed in by token."""
    jobs = _jobs(call)
    account = require_account(call.account)
    if account.name != OWNER or call.values["namespace"] != OWNER:
        raise Refusal(403, f"{account.name} may not run jobs here: they are {OWNER}'s alone")
    return jobs


def _jobs(call: Call) -> LocalJobs:
    if call.jobs is None:
        raise Refusal(404, "This Hub runs no jobs")
    return call.jobs
