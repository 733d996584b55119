"""What stands below the plan of a merge that is too large for this app: a job of the visitor's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.hub.client import endpoint
from hubmerge.hub.source import parse_repo_id
from hubmerge.jobs.flavors import dollars
from hubmerge.jobs.job_plan import JobPlan
from hubmerge.planning.resources import human
from hubmerge.recipe import Recipe
from hubmerge.reporting.numbers import duration
from spaces_app.service.hub_jobs import NOT_ALLOWED, is_too_large
from spaces_app.service.job import Refusal, Refused, refusing
from spaces_app.ui import markup, wording
from spaces_app.ui.context import Context
from spaces_app.ui.models_panel import to_query
from spaces_app.ui.oauth_scopes import ALLOW
from spaces_app.ui.steps import QUIET

INTRODUCTION = Markup(
    "<p>It can be made on <b>Hugging Face Jobs</b>, on a machine that your account rents by the "
    "minute. Nothing is started before you have seen what it costs.</p>"
)
NAMED = Refusal(kind="RecipeError", what="Enter a repository for the result", hint="OWNER/NAME")


class JobPanel:
    """Where the result goes, what it costs, and the button that starts it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        with gr.Column(visible=False, elem_id="hub-job", elem_classes="hm-box") as self.panel:
            gr.HTML(INTRODUCTION)
            with gr.Row():
                self.repo = gr.Textbox(
                    label=wording.LABELS["push"],
                    placeholder="OWNER/NAME",
                    max_lines=1,
                    elem_id="job-repo",
                )
                self.look = gr.Button("See what it costs", elem_id="job-look")
            self.said = gr.HTML(elem_id="job-said")
            self.go = gr.Button("Start it", variant="primary", elem_id="job-go", visible=False)
            self.agreed = gr.State(0.0)
            """Most dollars that were shown."""

    @property
    def outputs(self) -> list[Any]:
        """Components that `shown` updates."""
        return [self.panel, self.said, self.go]

    @staticmethod
    def shown(refusal: Refusal | None) -> list[Any]:
        """The panel after a plan: there where a merge was refused for its size alone."""
        wanted = refusal is not None and is_too_large(refusal)
        return [gr.update(visible=wanted), "", gr.update(visible=False)]

    def wire(self, fields: list[Any], recipe_of: Callable[..., Recipe | None]) -> None:
        """Connect the buttons. fields: of the recipe, which `recipe_of` makes of their values."""

        def look(repo: str, request: gr.Request, *values: Any) -> list[Any]:
            return self._look(repo, request, lambda: recipe_of(*values))

        def go(repo: str, most: float, request: gr.Request, *values: Any) -> list[Any]:
            return self._go(repo, most, request, lambda: recipe_of(*values))

        shown = [self.said, self.go, self.agreed]
        self.look.click(look, [self.repo, *fields], shown, concurrency_limit=None, **QUIET)
        self.go.click(
            go, [self.repo, self.agreed, *fields], shown[:2], concurrency_limit=None, **QUIET
        )
        self.repo.input(lambda: gr.update(visible=False), None, self.go, queue=False, **QUIET)

    def _look(self, repo: str, request: gr.Request, made: Callable[[], Recipe | None]) -> list[Any]:
        recipe = None
        try:
            recipe, name = self._asked(repo, made)
            found = self._context.jobs.hub_jobs.plan(self._context.visitor(request), recipe, name)
        except Refused as refused:
            said = refused_text(refused.refusal, recipe)
            return [said, gr.update(visible=False), 0.0]
        label = f"Start it ({_at_most(found)})"
        return [priced(found), gr.update(visible=True, value=label), found.most_dollars]

    def _go(
        self, repo: str, most: float, request: gr.Request, made: Callable[[], Recipe | None]
    ) -> list[Any]:
        recipe = None
        try:
            recipe, name = self._asked(repo, made)
            visitor = self._context.visitor(request)
            url = self._context.jobs.hub_jobs.start(visitor, recipe, name, most)
        except Refused as refused:
            return [refused_text(refused.refusal, recipe), gr.update(visible=False)]
        return [started(url, name), gr.update(visible=False)]

    @staticmethod
    def _asked(repo: str, made: Callable[[], Recipe | None]) -> tuple[Recipe, str]:
        with refusing():
            recipe, name = made(), (repo or "").strip()
            if recipe is None or not name:
                raise Refused(NAMED)
            return recipe, parse_repo_id(name)


def priced(plan: JobPlan) -> Markup:
    """A job that may be started."""
    takes = f"about {duration(plan.seconds, whole=True)}, ended after "
    takes += duration(float(plan.limit_seconds), whole=True)
    visible = "private" if plan.private else "public"
    pairs = [
        ("On", f"{plan.flavor}: {plan.cores} cores, {human(plan.memory)} of memory"),
        ("Takes", takes),
        ("Costs", _cost(plan)),
        ("Pushes to", f"{plan.pushes_to} ({visible})"),
        ("Is sent", f"the recipe and hubmerge {plan.hubmerge}, to your private {plan.home}"),
        ("Token", "yours, as a secret of the job and nowhere else"),
    ]
    return markup.card("A job on your account", markup.facts(pairs), "hm-good")


def _cost(plan: JobPlan) -> str:
    about, most = dollars(plan.dollars), _at_most(plan)
    return most if about in most else f"about {about}, {most}"


def _at_most(plan: JobPlan) -> str:
    most = dollars(plan.most_dollars)
    return f"at most {most}" if most.startswith("$") else most


def started(url: str, repo: str) -> Markup:
    """A job that runs."""
    body = Markup("<p>{} says how far it is. Its result will be {}, with its card.</p>").format(
        markup.link(url, "The job’s page"), markup.on_hub(repo)
    )
    return markup.card("The job is started", body, "hm-good")


def refused_text(refusal: Refusal, recipe: Recipe | None) -> Markup:
    """Why not; with the link by which a visitor allows jobs, where that is missing.

    The way back from there fills in what was to be merged.
    """
    said = markup.refusal(refusal, "Not started")
    if refusal != NOT_ALLOWED:
        return said
    address = ALLOW.lstrip("/")
    if recipe is not None and len(recipe.models) >= 2:
        data = recipe.dataset.id if recipe.dataset else None
        address += f"?{to_query([*map(str, recipe.models)], data)}"
    return said + Markup('<p><a href="{}" target="_blank">Allow jobs, at {}</a></p>').format(
        address, endpoint().partition("://")[2]
    )
