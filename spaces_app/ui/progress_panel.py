"""Step 3: watching it happen, stopping it, and coming back to it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from hubmerge.recipe import Recipe
from spaces_app.service.job import Refused, State
from spaces_app.ui import markup
from spaces_app.ui import progress_view as watch_view
from spaces_app.ui.context import Context
from spaces_app.ui.steps import QUIET, heading
from spaces_app.ui.wording import PAGE

EVERY = 1.0
"""Seconds between two looks."""
REMEMBER = """(job) => { if (job) {
  const here = new URL(window.location); here.searchParams.set('job', job);
  history.replaceState(null, '', here);
  document.getElementById('watch')?.scrollIntoView({behavior: 'smooth', block: 'start'}); } }"""
"""Puts the job into the page's address, which is then its link, and shows it."""


class Watch:
    """Progress of one job, refreshed as long as it has not ended."""

    def __init__(self, context: Context) -> None:
        self._context = context
        with gr.Column(visible=False, elem_id="watch") as self.panel:
            heading(3, "Watch", "You may close this page: the link below brings everything back.")
            self.shown = gr.HTML(elem_id="progress")
            self.stop = gr.Button("Stop", variant="stop", elem_id="stop", visible=False)
        self.job = gr.Textbox(visible="hidden", elem_id="job", container=False)
        self.timer = gr.Timer(EVERY, active=False)

    @property
    def outputs(self) -> list[Any]:
        """What `look` changes."""
        return [self.panel, self.shown, self.stop, self.timer]

    def look(self, job: str | None, request: gr.Request) -> tuple[Any, Any, Any, Any, bool]:
        """The panel now, and whether there is a result."""
        if not job:
            return _state("", visible=False)
        try:
            look = self._context.jobs.look(self._context.person(request), job)
        except Refused as refused:
            return _state(markup.refusal(refused.refusal, "There is nothing to see"))
        done = look.job.state is State.DONE
        return _state(watch_view.render(look), going=not look.job.has_ended, done=done)

    def recipe(self, job: str | None, request: gr.Request) -> Recipe | None:
        """What that job carries out, if whoever asks may see it."""
        try:
            return self._context.jobs.look(self._context.person(request), job or "").job.read()
        except Refused:
            return None

    def wire(self, refresh: Any, outputs: list[Any]) -> None:
        """refresh: from the job to `outputs`, every second and after Stop."""

        def stop(job: str | None, request: gr.Request) -> None:
            try:
                self._context.jobs.stop(self._context.person(request), job or "")
            except Refused as refused:
                raise gr.Error(str(markup.text(refused.refusal.worded(PAGE).what))) from None

        self.timer.tick(refresh, self.job, outputs, queue=False, **QUIET)
        self.stop.click(stop, self.job, None, **QUIET).then(
            refresh, self.job, outputs, queue=False, **QUIET
        )


def _state(
    shown: str, *, visible: bool = True, going: bool = False, done: bool = False
) -> tuple[Any, Any, Any, Any, bool]:
    stop, timer = gr.update(visible=going), gr.Timer(active=going)
    return gr.update(visible=visible), shown, stop, timer, done
