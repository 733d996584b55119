"""The page: a first screen, four steps that fold when they are done, and the gallery."""

from __future__ import annotations

from typing import Any

import gradio as gr

from hubmerge.errors import HubmergeError
from hubmerge.hub.source import RepoType
from hubmerge.recipe import Recipe
from hubmerge.utils.parent_names import listed
from spaces_app.service import hub_queries
from spaces_app.service.job import Refusal, Refused, refusing
from spaces_app.ui import api, markup, plan_view
from spaces_app.ui.account import TITLE, AccountPanel
from spaces_app.ui.context import Context
from spaces_app.ui.gallery_page import GalleryPage
from spaces_app.ui.job_panel import JobPanel
from spaces_app.ui.method_panel import EMPTY, MethodPanel, recipe_of, texts_of
from spaces_app.ui.models_panel import ModelsPanel
from spaces_app.ui.progress_panel import REMEMBER, ProgressPanel
from spaces_app.ui.publish_panel import PublishPanel
from spaces_app.ui.result_panel import ResultPanel
from spaces_app.ui.steps import QUIET, step, titled
from spaces_app.ui.strict_page import StrictPage, told
from spaces_app.ui.welcome import Welcome, values_of

CHOOSE = "Choose two models"


def build(context: Context) -> StrictPage:
    """The whole app."""
    with StrictPage(title=TITLE, delete_cache=(600, 3600), analytics_enabled=False) as page:
        api.add_endpoints(context)  # first, so that Gradio does not rename them
        MergePage(page, context)
    with page.route("Gallery", "/gallery"):
        GalleryPage(page, context)
    return page


class MergePage:
    """Everything on the main page, and what leads from one part to the next."""

    def __init__(self, page: gr.Blocks, context: Context) -> None:
        self.context = context
        gr.Navbar(main_page_name="Merge")
        self.account = AccountPanel(context)
        self.welcome = Welcome(context)
        with step(1, CHOOSE, "choose") as self.choose:
            self.models, self.method = ModelsPanel(context), MethodPanel(context)
            self.hub_job = JobPanel(context)
            self.start = gr.Button("Merge", variant="primary", elem_id="start", interactive=False)
        self.refused = gr.HTML(elem_id="refused")
        self.progress, self.result = ProgressPanel(context), ResultPanel(context)
        self.publish = PublishPanel(context)
        self.fields = [*self.models.fields, *self.method.fields]
        self.shown = gr.State("")
        """The job whose result stands on the page: what was typed beside it is not written over."""
        self.parts = [
            *self.progress.outputs,
            *self.result.outputs,
            *self.publish.outputs,
            self.shown,
        ]
        self._wire(page)

    def _wire(self, page: gr.Blocks) -> None:
        models, method, progress = self.models, self.method, self.progress
        gr.on(
            [field.change for field in self.fields],
            self._describe,
            self.fields,
            method.texts,
            queue=False,
            trigger_mode="always_last",
            **QUIET,
        )
        settled: dict[str, Any] = {
            "fn": self._settled,
            "inputs": [*models.fields, method.given],
            "outputs": [models.offered, models.suggestion.offered, method.plan],
            "queue": False,
            "trigger_mode": "always_last",
            **QUIET,
        }
        settles = [gr.on([*models.settled, *method.settled], **settled)]
        settles += [each.then(**settled) for each in (method.wire(models.fields), *models.wire())]
        for event in settles:
            models.suggestion.after(event).then(**self._plan_event())
        self._then_shown(
            self.start.click(self._submit, self.fields, self._submitted(), **self._working())
        )
        chosen = [*self._submitted(), *models.fields]
        self._then_shown(self.welcome.cards.select(self._example, None, chosen, **self._working()))
        self._then_shown(
            self.result.next.click(
                self._try_harder,
                progress.job,
                [*self._submitted(), method.level],
                **self._working(),
            )
        )
        restored = [progress.job, *self.account.outputs, *models.fields, self.welcome.cards]
        folds = [self.choose, self.welcome.panel]
        loaded = page.load(self._restore, None, [*restored, *folds], queue=False, **QUIET)
        self._then_shown(loaded).then(**self._plan_event())
        self.hub_job.wire(self.fields, recipe_of)
        self.account.wire()
        progress.wire(self._refresh_new, [progress.job, self.shown], self.parts)
        self.result.wire(progress.job)
        self.publish.wire(progress.job)
        for event in self.account.changed:
            event.then(**self._plan_event()).then(
                self._refresh_owner,
                [progress.job, self.shown, self.publish.message],
                self.parts,
                queue=False,
                **QUIET,
            )

    def _submitted(self) -> list[Any]:
        """What the start of a merge updates."""
        return [self.progress.job, self.refused, self.choose, self.welcome.panel]

    def _plan_event(self) -> dict[str, Any]:
        outputs = [self.method.plan, self.start, *self.hub_job.outputs]
        asked = {"fn": self._plan, "inputs": self.fields, "outputs": outputs}
        # A plan that is asked for while another is made is made after it, and not left out.
        return {**asked, "trigger_mode": "always_last", "concurrency_limit": None, **QUIET}

    def _working(self) -> dict[str, Any]:
        return {"concurrency_limit": None, **QUIET}

    def _then_shown(self, event: Any) -> Any:
        """After that event the job is shown, and put into the page's address."""
        job = self.progress.job
        return event.then(self._refresh, job, self.parts, queue=False, **QUIET).then(
            None, job, None, js=REMEMBER, **QUIET
        )

    def _refresh(self, job: str | None, request: gr.Request) -> list[Any]:
        *panel, done = self.progress.status(job, request)
        if not (done and job):
            return [*panel, *self.result.hide(), *self.publish.hide(), ""]
        result, publish = self.result.show(job, request), self.publish.show(job, request)
        return [*panel, *result, *publish, job]

    def _refresh_new(self, job: str | None, shown: str, request: gr.Request) -> list[Any]:
        """As `_refresh`, but for a result that is shown already."""
        if not job or job != shown:
            return self._refresh(job, request)
        *panel, _ = self.progress.status(job, request)
        return [*panel, *(gr.skip() for _ in self.parts[len(panel) :])]

    def _refresh_owner(
        self, job: str | None, shown: str, message: str | None, request: gr.Request
    ) -> list[Any]:
        """As `_refresh`, once a visitor signed in or out: a result that they may see stays."""
        *panel, done = self.progress.status(job, request)
        if not (done and job and job == shown):
            return self._refresh(job, request)
        publish = self.publish.show_owner(job, message, request)
        return [*panel, *(gr.skip() for _ in self.result.outputs), *publish, job]

    def _describe(self, *values: Any) -> tuple[Any, ...]:
        try:
            return texts_of(recipe_of(*values))
        except HubmergeError:
            return EMPTY

    def _settled(
        self, a: str, b: str, more: str, data: str, given: str | None, request: gr.Request
    ) -> tuple[Any, Any, Any]:
        """What both cards offer, and at once that a plan is being made."""
        both = bool(a and a.strip() and b and b.strip())
        said = plan_view.PLANNING if both or given else plan_view.NOTHING
        return *self.models.offer(a, b, data, request), said

    def _plan(self, request: gr.Request, *values: Any) -> list[Any]:
        startable, refusal, recipe = False, None, None
        try:
            with refusing():
                recipe = recipe_of(*values)
            if recipe is None:
                said = plan_view.NOTHING
            else:
                planned = self.context.jobs.plan(self.context.visitor(request), recipe)
                said, startable = plan_view.render(planned, recipe), True
        except Refused as error:
            refusal = error.refusal
            said = markup.refusal(self._with_near(request, refusal, recipe))
        return [said, gr.update(interactive=startable), *self.hub_job.shown(refusal)]

    def _with_near(self, request: gr.Request, refusal: Refusal, recipe: Recipe | None) -> Refusal:
        """The refusal of an id that is not there, with those that may have been meant."""
        if recipe is None or refusal.kind != "NotFoundError":
            return refusal
        data = recipe.dataset.id if recipe.dataset else None
        asked: list[tuple[str, RepoType]] = [(str(each), "model") for each in recipe.models]
        asked += [(data, "dataset")] if data else []
        missing = next((each for each in asked if each[0] in refusal.what.split()), None)
        close = hub_queries.near(self.context.visitor(request), *missing) if missing else []
        if not close:
            return refusal
        meant = f"{' or '.join(close)}, if that was meant"
        hint = f"{meant}\n{refusal.hint}" if refusal.hint else meant
        return refusal.model_copy(update={"hint": hint})

    def _submit(self, request: gr.Request, *values: Any) -> list[Any]:
        try:
            with refusing():
                recipe = recipe_of(*values)
            if recipe is None:
                return [None, "", gr.skip(), gr.skip()]
            return self._started(request, recipe)
        except Refused as error:
            return [gr.skip(), markup.refusal(error.refusal, "Not started"), gr.skip(), gr.skip()]

    def _started(self, request: gr.Request, recipe: Recipe) -> list[Any]:
        """Submit a merge; the first step folds. Raises: Refused."""
        job = self.context.jobs.submit(self.context.visitor(request), recipe).id
        return [job, "", _folded(recipe), gr.update(visible=False)]

    def _example(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Open the result of an example; without one, or again, merge it."""
        example, job = self.welcome.chosen(int(told(event, "example")))
        values = values_of(example)
        recipe = self.welcome.recipe(example)
        if job is not None and not told(event, "again"):
            return [job.id, "", _folded(recipe), gr.update(visible=False), *values]
        try:
            return [*self._started(request, recipe), *values]
        except Refused as error:
            refused = markup.refusal(error.refusal, "Not started")
            return [gr.skip(), refused, gr.skip(), gr.skip(), *values]

    def _try_harder(self, job: str, request: gr.Request) -> list[Any]:
        """Merge again with the next level."""
        wanted = self.result.next_recipe(job, request)
        if wanted is None:
            return [gr.skip()] * 5
        level, recipe = wanted
        try:
            return [*self._started(request, recipe), level]
        except Refused as error:
            refused = markup.refusal(error.refusal, "Not started")
            return [gr.skip(), refused, gr.skip(), gr.skip(), gr.skip()]

    def _restore(self, request: gr.Request) -> tuple[Any, ...]:
        job = request.query_params.get("job")
        recipe = self.progress.recipe(job, request)
        asked = self.models.from_query(request.query_params)
        fields = self.models.from_recipe(recipe) if recipe else asked
        fold = _folded(recipe) if recipe else gr.skip()
        first = gr.update(visible=recipe is None)
        cards = self.welcome.render()
        return job, *self.account.now(request), *fields, cards, fold, first


def _folded(recipe: Recipe) -> Any:
    """The first step, done."""
    on = f" on {recipe.dataset.id}" if recipe.dataset else ""
    return gr.update(open=False, label=titled(1, f"{listed(list(recipe.models))}{on}"))
