"""The same job for programs: gradio_client, and tools that speak MCP. Publishing is not offered."""

from __future__ import annotations

from typing import Any

import gradio as gr

from hubmerge.errors.wording import YAML
from hubmerge.recipe import Recipe
from hubmerge.reporting.schema.report import Report
from spaces_app.service.job import Refused, refusing
from spaces_app.ui import recipe_text
from spaces_app.ui.context import Context


def offer(context: Context) -> None:
    """Four entrances: plan, merge, status and stop. A recipe is the text of a hubmerge.yaml."""

    def read(recipe: str) -> Recipe:
        return recipe_text.from_yaml(recipe, context.jobs.limits.recipe)

    def plan(recipe: str, request: gr.Request) -> dict:
        """What a merge would do, or why it cannot; downloads no weights.

        Args:
            recipe: text of a hubmerge.yaml, at least "models: [OWNER/A, OWNER/B]".
        """
        try:
            with refusing():
                wanted = read(recipe)
            planned = context.jobs.plan(context.person(request), wanted)
        except Refused as refused:
            return _told(refused)
        return {"plan": planned.plan, "seconds": planned.seconds}

    def merge(recipe: str, request: gr.Request) -> dict:
        """Start a merge; answers with the job's id, to be asked after with `status`.

        Args:
            recipe: text of a hubmerge.yaml, at least "models: [OWNER/A, OWNER/B]".
        """
        try:
            with refusing():
                wanted = read(recipe)
            return {"job": context.jobs.submit(context.person(request), wanted).id}
        except Refused as refused:
            return _told(refused)

    def status(job: str, request: gr.Request) -> dict:
        """Where a job stands; once it is done, its report and where its files are.

        Args:
            job: the id that `merge` answered with.
        """
        person = context.person(request)
        try:
            look = context.jobs.look(person, job)
            answer: dict[str, Any] = {
                "state": str(look.job.state),
                "before": look.before,
                "stage": look.seen.stage,
                "seconds_left": look.left,
            }
            if look.job.refusal:
                answer["error"] = look.job.refusal.worded(YAML).model_dump()
            if look.job.state == "done":
                report = Report.read(context.jobs.result(person, job))
                answer["report"] = report.model_dump(mode="json")
                answer["files"] = f"jobs/{job}/merge.zip"
            return answer
        except Refused as refused:
            return _told(refused)

    def stop(job: str, request: gr.Request) -> dict:
        """Stop a job of yours; nothing of it is left.

        Args:
            job: the id that `merge` answered with.
        """
        try:
            return {"state": str(context.jobs.stop(context.person(request), job).state)}
        except Refused as refused:
            return _told(refused)

    for name, entrance in {"plan": plan, "merge": merge, "status": status, "stop": stop}.items():
        gr.api(entrance, api_name=name, concurrency_limit=None)


def _told(refused: Refused) -> dict:
    return {"error": refused.refusal.worded(YAML).model_dump()}
