"""Step 5: preview and publish."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.hub.source import parse_repo_id
from hubmerge.reporting.schema.report import Report
from spaces_app.service.job import Refusal, Refused, refusing
from spaces_app.service.visitors import Visitor
from spaces_app.ui import markup, publish_view, wording
from spaces_app.ui.context import Context
from spaces_app.ui.steps import QUIET, step
from spaces_app.ui.suggestion import Suggestion
from spaces_app.ui.verdict_view import is_bad

NEW, ADD, PROPOSE = "new", "add", "propose"
MODES = [
    (wording.NEW, NEW),
    (wording.CHOICES["exist_ok"][True], ADD),
    (wording.CHOICES["create_pr"][True], PROPOSE),
]
SIGN_IN = Markup(
    '<p>Sign in to publish: <a href="#top">at the top of this page</a>. The result is kept.</p>'
)
TITLE = "Publish it on the Hub"
NOTHING_YET = "To your account. Nothing is uploaded before you confirm."
UNNAMED = Refusal(kind="RecipeError", what="Enter a repository", hint="OWNER/NAME")


class PublishPanel:
    """Name, visibility, preview, and the button."""

    def __init__(self, context: Context) -> None:
        self._context = context
        with step(4, TITLE, "publish", open=False, visible=False) as self.panel:
            gr.HTML(Markup('<p class="hm-quiet">{}</p>').format(NOTHING_YET))
            self.terms = gr.HTML(elem_id="terms")
            with gr.Row():
                self.repo = gr.Textbox(
                    label=wording.LABELS["push"],
                    placeholder="OWNER/NAME",
                    max_lines=1,
                    min_width=260,
                    elem_id="repo",
                )
                self.mode = gr.Radio(
                    MODES, value=NEW, label=wording.LABELS["create_pr"], elem_id="way"
                )
                self.private = gr.Radio(
                    wording.choices("private"),
                    value=True,
                    label=wording.LABELS["private"],
                    info="Private: visible to you only.",
                    elem_id="private",
                )
            with gr.Row():
                self.preview = gr.Button("Preview", elem_id="preview")
                self.publish = gr.Button(
                    "Publish", variant="primary", elem_id="go", interactive=False
                )
            self.message = gr.HTML(elem_id="published")
            with gr.Column(visible=False, elem_id="previewed") as self.previewed:
                self.files = gr.HTML()
                with gr.Tab("The card"):
                    self.card = gr.Markdown(elem_id="card")
                with gr.Tab("Its metadata"):
                    self.metadata = gr.Code(language="yaml", interactive=False)
        self.suggestion = Suggestion(
            self.repo
        )  # outside of the fold, as what is in it may not work

    @property
    def outputs(self) -> list[Any]:
        """Components that `show` updates."""
        return [
            self.panel,
            self.terms,
            self.suggestion.offered,
            self.private,
            self.publish,
            self.previewed,
            self.message,
        ]

    def show(self, job: str, request: gr.Request) -> list[Any]:
        """Show the panel with a suggested name."""
        visitor = self._context.visitor(request)
        report = Report.read(self._context.jobs.result(visitor, job))
        return [
            gr.update(visible=True),
            publish_view.terms(report),
            _suggested(report, visitor),
            gr.update(value=report.licence.private_by_default or is_bad(report.verdict)),
            gr.update(interactive=False),
            gr.update(visible=False),
            "",
        ]

    def hide(self) -> list[Any]:
        """Hide the panel."""
        return [gr.update(visible=False), *(gr.skip() for _ in self.outputs[1:])]

    def show_owner(self, job: str, message: str | None, request: gr.Request) -> list[Any]:
        """As `show`, where the panel is shown already and the visitor is now another one.

        What was chosen stays. message: what the panel says; a preview that waits for a sign-in is
        to be made again.
        """
        visitor = self._context.visitor(request)
        report = Report.read(self._context.jobs.result(visitor, job))
        stale = SIGN_IN in (message or "")
        return [
            gr.skip(),
            gr.skip(),
            _suggested(report, visitor),
            gr.skip(),
            gr.skip() if visitor.signed_in else gr.update(interactive=False),
            gr.update(visible=False) if stale else gr.skip(),
            "" if stale else gr.skip(),
        ]

    def wire(self, job: gr.Textbox) -> None:
        """Connect the buttons; Publish is enabled by a preview."""
        self.suggestion.wire()
        shown = [self.previewed, self.files, self.card, self.metadata, self.publish, self.message]
        self.preview.click(self._preview, [job, self.repo], shown, api_visibility="private")
        where = [self.repo, self.mode, self.private]
        gr.on(
            [self.repo.input, self.mode.input, self.private.input],
            lambda: gr.update(interactive=False),
            None,
            self.publish,
            queue=False,
            **QUIET,
        )
        self.publish.click(self._publish, [job, *where], self.message, api_visibility="private")

    def _preview(self, job: str, repo: str, request: gr.Request) -> list[Any]:
        visitor = self._context.visitor(request)
        try:
            folder = self._context.jobs.result(visitor, job)
            with refusing():
                parse_repo_id(_named(repo))
        except Refused as refused:
            message = markup.refusal(refused.refusal)
            return [gr.update(visible=False), "", "", "", gr.update(interactive=False), message]
        report = Report.read(folder)
        metadata, body = publish_view.card_preview(report, repo, f"jobs/{job}")
        may = visitor.signed_in
        hint = "" if may else SIGN_IN
        return [
            gr.update(visible=True),
            publish_view.files(folder),
            body,
            metadata,
            gr.update(interactive=may),
            hint,
        ]

    def _publish(
        self, job: str, repo: str | None, mode: str, private: bool, request: gr.Request
    ) -> Markup:
        destination = {
            "push": (repo or "").strip(),
            "private": private,
            "create_pr": mode == PROPOSE,
            "exist_ok": mode == ADD,
        }
        try:
            visitor = self._context.visitor(request)
            report = Report.read(self._context.jobs.result(visitor, job))
            done = self._context.jobs.publish(visitor, job, destination)
            return publish_view.published(done, destination, report)
        except Refused as refused:
            return publish_view.unpublished(refused.refusal)


def _suggested(report: Report, visitor: Visitor) -> str:
    """A name for the merge in the visitor's account."""
    names = [parent.id.rpartition("/")[2] for parent in report.models]
    return f"{visitor.name or 'OWNER'}/{'-'.join((*names, 'merged'))[:80]}"


def _named(repo: str) -> str:
    if not repo.strip() or "/" not in repo:
        raise Refused(UNNAMED)
    return repo.strip()
