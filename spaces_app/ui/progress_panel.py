"""The progress of a merge, and the button that stops it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from hubmerge.recipe import Recipe
from hubmerge.reporting.numbers import duration
from spaces_app.service.job import Refused, State
from spaces_app.service.jobs import JobStatus
from spaces_app.ui import markup, progress_view
from spaces_app.ui.context import Context
from spaces_app.ui.steps import QUIET, step, titled
from spaces_app.ui.wording import PAGE

REFRESH_SECONDS = 1.0
"""Seconds between two updates."""
REMEMBER = """(job) => { if (job) {
  const here = new URL(window.location); here.searchParams.set('job', job);
  history.replaceState(null, '', here);
  document.getElementById('watch')?.scrollIntoView({behavior: 'smooth', block: 'start'}); } }"""
"""Puts the job into the page's address and scrolls to it."""
NUMBER = 2


class ProgressPanel:
    """Progress of one job, refreshed until it ends."""

    def __init__(self, context: Context) -> None:
        self._context = context
        with step(NUMBER, "Merging", "watch", visible=False) as self.panel:
            self.shown = gr.HTML(elem_id="progress")
            self.stop = gr.Button("Stop", variant="stop", elem_id="stop", visible=False)
        self.job = gr.Textbox(visible="hidden", elem_id="job", container=False)
        self.timer = gr.Timer(REFRESH_SECONDS, active=False)

    @property
    def outputs(self) -> list[Any]:
        """Components that `status` updates."""
        return [self.panel, self.shown, self.stop, self.timer]

    def status(self, job: str | None, request: gr.Request) -> tuple[Any, Any, Any, Any, bool]:
        """The panel now, and whether there is a result."""
        if not job:
            return _state("", gr.update(visible=False))
        try:
            status = self._context.jobs.status(self._context.visitor(request), job)
        except Refused as refused:
            said = markup.refusal(refused.refusal, "No progress to show")
            return _state(said, _titled("No such merge", open=True))
        done = status.job.state is State.DONE
        shown = _titled(_title(status), open=False) if done else _titled(_title(status))
        return _state(
            progress_view.render(status), shown, going=not status.job.has_ended, done=done
        )

    def recipe(self, job: str | None, request: gr.Request) -> Recipe | None:
        """The recipe of a job that the visitor may see."""
        try:
            return self._context.jobs.status(
                self._context.visitor(request), job or ""
            ).job.parsed_recipe()
        except Refused:
            return None

    def wire(self, refresh: Any, inputs: list[Any], outputs: list[Any]) -> None:
        """refresh: updates `outputs` from the job in `inputs`, every second and after Stop."""

        def stop(job: str | None, request: gr.Request) -> None:
            try:
                self._context.jobs.stop(self._context.visitor(request), job or "")
            except Refused as refused:
                raise gr.Error(str(markup.text(refused.refusal.worded(PAGE).what))) from None

        self.timer.tick(refresh, inputs, outputs, queue=False, **QUIET)
        self.stop.click(stop, self.job, None, **QUIET).then(
            refresh, inputs, outputs, queue=False, **QUIET
        )


def _title(status: JobStatus) -> str:
    """The step in a few words: where the merge stands, and how long it took."""
    match status.job.state:
        case State.WAITING:
            return "Waiting for its turn"
        case State.RUNNING:
            return "Merging"
        case State.DONE:
            took = status.job.merged_seconds
            return "Merged" if took is None else f"Merged in {duration(took, whole=True)}"
        case State.STOPPED:
            return "Stopped"
        case State.FAILED:
            return "This merge failed"


def _titled(title: str, **changes: Any) -> Any:
    return gr.update(visible=True, label=titled(NUMBER, title), **changes)


def _state(
    shown: str, panel: Any, *, going: bool = False, done: bool = False
) -> tuple[Any, Any, Any, Any, bool]:
    stop, timer = gr.update(visible=going), gr.Timer(active=going)
    return panel, shown, stop, timer, done
