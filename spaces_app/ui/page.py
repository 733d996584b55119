"""The page: five steps, one below the other, and the gallery."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.errors import HubmergeError
from spaces_app.service.gallery import gallery
from spaces_app.service.job import Refused, refusing
from spaces_app.ui import api, gallery_view, markup, plan_view
from spaces_app.ui.account import AccountPanel
from spaces_app.ui.context import Context
from spaces_app.ui.method_panel import EMPTY, MethodPanel, recipe_of, texts_of
from spaces_app.ui.models_panel import ModelsPanel
from spaces_app.ui.progress_panel import REMEMBER, ProgressPanel
from spaces_app.ui.publish_panel import PublishPanel
from spaces_app.ui.result_panel import ResultPanel
from spaces_app.ui.steps import QUIET

TITLE = "hubmerge"
SUBTITLE = (
    "Merges models that were trained independently: hubmerge matches their units, averages the "
    "weights, and evaluates the result."
)


LOGO = Markup(
    '<svg viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M3 5h4c4 0 5 7 9 7h5M3 19h4c4 0 5-7 9-7"/><circle cx="20" cy="12" r="2.4"/></svg>'
)


def build(context: Context) -> gr.Blocks:
    """The whole app."""
    with gr.Blocks(title=TITLE, delete_cache=(600, 3600), analytics_enabled=False) as page:
        api.add_endpoints(context)  # first, so that Gradio does not rename them
        _merge_page(page, context)
    with page.route("Gallery", "/gallery"):
        _gallery(page, context)
    return page


def _head() -> None:
    head = Markup('<header class="hm-head"><h1>{}{}</h1><p>{}</p></header>')
    gr.HTML(head.format(LOGO, TITLE, SUBTITLE))


def _merge_page(page: gr.Blocks, context: Context) -> None:
    gr.Navbar(main_page_name="Merge")
    _head()
    account = AccountPanel(context)
    models, method = ModelsPanel(context), MethodPanel(context)
    start = gr.Button("Merge", variant="primary", elem_id="start", interactive=False)
    refused = gr.HTML(elem_id="refused")
    progress, result, publish = ProgressPanel(context), ResultPanel(context), PublishPanel(context)
    fields = [*models.fields, *method.fields]
    parts = [*progress.outputs, *result.outputs, *publish.outputs]

    def refresh(job: str | None, request: gr.Request) -> list[Any]:
        *panel, done = progress.status(job, request)
        if not (done and job):
            return [*panel, *result.hide(), *publish.hide()]
        return [*panel, *result.show(job, request), *publish.show(job, request)]

    def describe(*values: Any) -> tuple[Any, ...]:
        try:
            return texts_of(recipe_of(*values))
        except HubmergeError:
            return EMPTY

    def plan(request: gr.Request, *values: Any) -> tuple[Any, Any]:
        try:
            with refusing():
                recipe = recipe_of(*values)
            if recipe is None:
                return plan_view.NOTHING, gr.update(interactive=False)
            planned = context.jobs.plan(context.visitor(request), recipe)
        except Refused as error:
            return markup.refusal(error.refusal), gr.update(interactive=False)
        return plan_view.render(planned.plan, planned.seconds, recipe), gr.update(interactive=True)

    def submit(request: gr.Request, *values: Any) -> tuple[Any, Any]:
        try:
            with refusing():
                recipe = recipe_of(*values)
            if recipe is None:
                return None, ""
            return context.jobs.submit(context.visitor(request), recipe).id, ""
        except Refused as error:
            return gr.skip(), markup.refusal(error.refusal, "Not started")

    def restore(request: gr.Request) -> tuple[Any, ...]:
        job = request.query_params.get("job")
        recipe = progress.recipe(job, request)
        fields = models.from_recipe(recipe) if recipe else models.from_query(request.query_params)
        return job, account.status(request), *fields

    gr.on(
        [field.change for field in fields],
        describe,
        fields,
        method.texts,
        queue=False,
        trigger_mode="always_last",
        **QUIET,
    )
    planned: dict[str, Any] = {"fn": plan, "inputs": fields, "outputs": [models.plan, start]}
    shown = {"api_visibility": "private", "show_progress": "minimal", "concurrency_limit": None}
    gr.on(
        [*models.settled, *method.settled],
        trigger_mode="always_last",
        show_progress_on=[models.plan],
        **planned,
        **shown,
    )
    for event in models.wire():
        event.then(**planned, **shown)
    start.click(submit, fields, [progress.job, refused], concurrency_limit=None, **QUIET).then(
        refresh, progress.job, parts, queue=False, **QUIET
    ).then(None, progress.job, None, js=REMEMBER, **QUIET)
    restored = [progress.job, account.shown, *models.fields]
    page.load(restore, None, restored, queue=False, **QUIET).then(
        refresh, progress.job, parts, queue=False, **QUIET
    ).then(**planned, **shown).then(None, progress.job, None, js=REMEMBER, **QUIET)
    method.wire(models.fields)
    account.wire()
    progress.wire(refresh, parts)
    result.wire(progress.job)
    publish.wire(progress.job)
    for event in account.changed:
        event.then(**planned, **shown).then(refresh, progress.job, parts, queue=False, **QUIET)


def _gallery(page: gr.Blocks, context: Context) -> None:
    gr.Navbar(main_page_name="Merge")
    _head()
    gr.HTML("<h2>Merge gallery</h2>")
    shown = gr.HTML(elem_id="gallery")

    def show(request: gr.Request) -> Markup:
        try:
            return gallery_view.render(gallery(context.visitor(request)))
        except Refused as error:
            return markup.refusal(error.refusal, "The gallery cannot be shown")

    page.load(show, None, shown, queue=False, **QUIET)
