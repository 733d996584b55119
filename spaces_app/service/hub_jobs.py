"""Merges that are too large for this app, on Hugging Face Jobs: on the visitor's account, by the
visitor's token, and only after its price was agreed to.
"""

from __future__ import annotations

from typing import Any

from hubmerge.jobs.job_plan import JobPlan
from hubmerge.recipe import Recipe
from spaces_app.service.job import Refusal, Refused
from spaces_app.service.limits import Limits
from spaces_app.service.planner import Planner, recipe_json
from spaces_app.service.short_tasks import TaskRunner
from spaces_app.service.visitors import Visitor

SCOPE = "jobs"
"""What a visitor allows this app by signing in again."""
SIGN_IN = Refusal(
    kind="AccessError", what="Sign in first", hint="a job runs on your own account, which pays it"
)
NOT_ALLOWED = Refusal(
    kind="AccessError",
    what="This Space may not start jobs for you yet",
    hint="allow it below; it asks for this only here",
    field=SCOPE,
)
FITS = Refusal(
    kind="RecipeError",
    what="This merge is made here, for nothing",
    hint="jobs are for models that are too large for this Space",
)


class HubJobs:
    """Plans and starts jobs. Methods raise `Refused`."""

    def __init__(self, planner: Planner, tasks: TaskRunner, limits: Limits) -> None:
        self._planner, self._tasks, self._limits = planner, tasks, limits

    def plan(self, visitor: Visitor, recipe: Recipe, repo: str) -> JobPlan:
        """What a job would be that makes the merge and pushes it to `repo`."""
        return JobPlan.model_validate(self._run(visitor, recipe, repo, None))

    def start(self, visitor: Visitor, recipe: Recipe, repo: str, most_dollars: float) -> str:
        """Start it, unless it would cost more; the address of the job, or of one that runs."""
        return str(self._run(visitor, recipe, repo, most_dollars)["url"])

    def _run(
        self, visitor: Visitor, recipe: Recipe, repo: str, most_dollars: float | None
    ) -> dict[str, Any]:
        if not visitor.signed_in:
            raise Refused(SIGN_IN)
        if visitor.scopes is not None and SCOPE not in visitor.scopes:
            raise Refused(NOT_ALLOWED)
        self._refuse_small(visitor, recipe)
        content = {
            "recipe": recipe_json(recipe),
            "push": repo,
            "account": visitor.name,
            "token": visitor.token,
            "most_dollars": most_dollars,
        }
        return self._tasks.run(
            "hub_job", content, visitor=visitor.key, timeout=self._limits.light_seconds
        )

    def _refuse_small(self, visitor: Visitor, recipe: Recipe) -> None:
        try:
            self._planner.plan(visitor, recipe)
        except Refused as refused:
            if is_too_large(refused.refusal):
                return
            raise
        raise Refused(FITS)


def is_too_large(refusal: Refusal) -> bool:
    """Whether a merge was refused for its size alone, so that a larger machine makes it."""
    return refusal.kind == "ResourceError" and refusal.field == "on"
