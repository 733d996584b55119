"""Endpoints for gradio_client and MCP tools. Publishing is not among them."""

from __future__ import annotations

from typing import Any

import gradio as gr

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import YAML
from hubmerge.recipe import Recipe
from hubmerge.reporting.schema.report import Report
from spaces_app.service.job import Refused, refusing
from spaces_app.ui import recipe_text
from spaces_app.ui.context import Context


def add_endpoints(context: Context) -> None:
    """Add the endpoints plan, merge, status and stop. A recipe is the text of a hubmerge.yaml."""

    def read(recipe: Any) -> Recipe:
        if not isinstance(recipe, str):
            raise RecipeError("a recipe is text", found=f"a {type(recipe).__name__}")
        return recipe_text.from_yaml(recipe, context.jobs.limits.recipe)

    def plan(recipe: str, request: gr.Request) -> dict:
        """What a merge would do, or why it cannot; downloads no weights.

        Args:
            recipe: text of a hubmerge.yaml, at least "models: [OWNER/A, OWNER/B]".
        """
        try:
            with refusing():
                wanted = read(recipe)
            planned = context.jobs.plan(context.visitor(request), wanted)
        except Refused as refused:
            return _error(refused)
        return {"plan": planned.plan, "seconds": planned.seconds}

    def merge(recipe: str, request: gr.Request) -> dict:
        """Start a merge; returns the job's id, which `status` takes.

        Args:
            recipe: text of a hubmerge.yaml, at least "models: [OWNER/A, OWNER/B]".
        """
        try:
            with refusing():
                wanted = read(recipe)
            return {"job": context.jobs.submit(context.visitor(request), wanted).id}
        except Refused as refused:
            return _error(refused)

    def status(job: str, request: gr.Request) -> dict:
        """Status of a job and, once it is done, its report and the path of its files.

        Args:
            job: the id that `merge` returned.
        """
        visitor = context.visitor(request)
        try:
            found = context.jobs.status(visitor, job)
            answer: dict[str, Any] = {
                "state": str(found.job.state),
                "before": found.queue_position,
                "stage": found.progress.stage,
                "seconds_left": found.seconds_left,
            }
            if found.job.refusal:
                answer["error"] = found.job.refusal.worded(YAML).model_dump()
            if found.job.state == "done":
                report = Report.read(context.jobs.result(visitor, job))
                answer["report"] = report.model_dump(mode="json")
                answer["files"] = f"jobs/{job}/merge.zip"
            return answer
        except Refused as refused:
            return _error(refused)

    def stop(job: str, request: gr.Request) -> dict:
        """Stop one of your jobs and remove its files.

        Args:
            job: the id that `merge` returned.
        """
        try:
            return {"state": str(context.jobs.stop(context.visitor(request), job).state)}
        except Refused as refused:
            return _error(refused)

    for name, endpoint in {"plan": plan, "merge": merge, "status": status, "stop": stop}.items():
        gr.api(endpoint, api_name=name, concurrency_limit=None)


def _error(refused: Refused) -> dict:
    return {"error": refused.refusal.worded(YAML).model_dump()}
