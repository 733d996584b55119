"""Routes beside the page: downloads, health, metrics."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hubmerge.reporting.pictures import PICTURES
from spaces_app.service.job import Refused
from spaces_app.service.metrics import CONTENT_TYPE
from spaces_app.ui.context import Context
from spaces_app.ui.wording import PAGE

FILES = ("report.json", "hubmerge.yaml", "README.md", *PICTURES)
PACKED = "merge.zip"
SAMPLE = re.compile(r"sample-([0-9])\.png")
"""The picture of a row."""


def routes(context: Context) -> list[Route]:
    """Downloads, health and metrics."""

    async def file(request: Request) -> Response:
        job, name = request.path_params["job"], request.path_params["name"]
        visitor = context.visitor(request)

        def find() -> Path:
            if (sample := SAMPLE.fullmatch(name)) is not None:
                return context.jobs.sample_picture(visitor, job, int(sample[1]))
            if name == PACKED:
                return context.jobs.archive(visitor, job)
            return context.jobs.result(visitor, job) / name

        if name not in (*FILES, PACKED) and not SAMPLE.fullmatch(name):
            return PlainTextResponse("There is no such file", status_code=404)
        try:
            path = await run_in_threadpool(find)
        except Refused as refused:
            return PlainTextResponse(refused.refusal.worded(PAGE).what, status_code=404)
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        inline = name.endswith(".png")
        how = "inline" if inline else "attachment"
        if not path.is_file():
            return PlainTextResponse("There is no such file", status_code=404)
        return FileResponse(path, filename=name, headers=headers, content_disposition_type=how)

    async def health(request: Request) -> Response:
        well = context.jobs.is_healthy()
        return JSONResponse({"healthy": well}, status_code=200 if well else 503)

    async def metrics(request: Request) -> Response:
        text = await run_in_threadpool(context.jobs.metrics.render)
        return Response(text, media_type=CONTENT_TYPE)

    return [
        Route("/jobs/{job}/{name}", file),
        Route("/health", health),
        Route("/metrics", metrics),
    ]
