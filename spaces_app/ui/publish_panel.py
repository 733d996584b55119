"""Step 5: signing in, seeing exactly what will be written, and writing it."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.hub.source import parse_repo_id
from hubmerge.reporting.schema.report import Report
from spaces_app.service.job import Refusal, Refused, refusing
from spaces_app.ui import markup, publish_view, wording
from spaces_app.ui.context import Context
from spaces_app.ui.steps import QUIET, heading

NEW, ADD, PROPOSE = "new", "add", "propose"
WAYS = [
    (wording.NEW, NEW),
    (wording.CHOICES["exist_ok"][True], ADD),
    (wording.CHOICES["create_pr"][True], PROPOSE),
]
SIGN_IN = Markup(
    '<p>Sign in to publish: <a href="#who">at the top of this page</a>. The result stays.</p>'
)
UNNAMED = Refusal(kind="RecipeError", what="Say where to", hint="OWNER/NAME")


class Publish:
    """Name, visibility, preview, and the button."""

    def __init__(self, context: Context) -> None:
        self._context = context
        with gr.Column(visible=False, elem_id="publish") as self.panel:
            heading(
                5, "Publish", "On the Hub, in your own name. Nothing is written before you say so."
            )
            self.terms = gr.HTML(elem_id="terms")
            with gr.Row():
                self.repo = gr.Textbox(
                    label=wording.LABELS["push"],
                    placeholder="OWNER/NAME",
                    max_lines=1,
                    min_width=260,
                    elem_id="repo",
                )
                self.way = gr.Radio(
                    WAYS, value=NEW, label=wording.LABELS["create_pr"], elem_id="way"
                )
                self.private = gr.Radio(
                    wording.choices("private"),
                    value=True,
                    label=wording.LABELS["private"],
                    info="Private: to you alone.",
                    elem_id="private",
                )
            with gr.Row():
                self.preview = gr.Button("Preview", elem_id="preview")
                self.go = gr.Button("Publish", variant="primary", elem_id="go", interactive=False)
            self.said = gr.HTML(elem_id="published")
            with gr.Column(visible=False, elem_id="previewed") as self.previewed:
                self.files = gr.HTML()
                with gr.Tab("The card"):
                    self.card = gr.Markdown(elem_id="card")
                with gr.Tab("Its metadata"):
                    self.metadata = gr.Code(language="yaml", interactive=False)

    @property
    def outputs(self) -> list[Any]:
        """What `show` changes."""
        return [self.panel, self.terms, self.repo, self.private, self.go, self.previewed, self.said]

    def show(self, job: str, request: gr.Request) -> list[Any]:
        """What can be published, and what is suggested."""
        person = self._context.person(request)
        report = Report.read(self._context.jobs.result(person, job))
        names = [parent.id.rpartition("/")[2] for parent in report.models]
        name = f"{person.name or 'OWNER'}/{'-'.join((*names, 'merged'))[:80]}"
        return [
            gr.update(visible=True),
            publish_view.terms(report),
            gr.update(value=name),
            gr.update(value=report.licence.private_by_default),
            gr.update(interactive=False),
            gr.update(visible=False),
            "",
        ]

    def hide(self) -> list[Any]:
        """Nothing to publish."""
        return [gr.update(visible=False), *(gr.skip() for _ in self.outputs[1:])]

    def wire(self, job: gr.Textbox) -> None:
        """Preview first; then the button can be pressed."""
        shown = [self.previewed, self.files, self.card, self.metadata, self.go, self.said]
        self.preview.click(self._preview, [job, self.repo], shown, api_visibility="private")
        where = [self.repo, self.way, self.private]
        gr.on(
            [self.repo.input, self.way.input, self.private.input],
            lambda: gr.update(interactive=False),
            None,
            self.go,
            queue=False,
            **QUIET,
        )
        self.go.click(self._publish, [job, *where], self.said, api_visibility="private")

    def _preview(self, job: str, repo: str, request: gr.Request) -> list[Any]:
        person = self._context.person(request)
        try:
            folder = self._context.jobs.result(person, job)
            with refusing():
                parse_repo_id(_named(repo))
        except Refused as refused:
            said = markup.refusal(refused.refusal)
            return [gr.update(visible=False), "", "", "", gr.update(interactive=False), said]
        report = Report.read(folder)
        metadata, body = publish_view.card_preview(report, repo, f"jobs/{job}")
        may = person.signed_in
        hint = "" if may else SIGN_IN
        return [
            gr.update(visible=True),
            publish_view.files(folder),
            body,
            metadata,
            gr.update(interactive=may),
            hint,
        ]

    def _publish(self, job: str, repo: str, way: str, private: bool, request: gr.Request) -> Markup:
        destination = {
            "push": repo.strip(),
            "private": private,
            "create_pr": way == PROPOSE,
            "exist_ok": way == ADD,
        }
        try:
            person = self._context.person(request)
            return publish_view.published(self._context.jobs.publish(person, job, destination))
        except Refused as refused:
            return publish_view.unpublished(refused.refusal)


def _named(repo: str) -> str:
    if not repo.strip() or "/" not in repo:
        raise Refused(UNNAMED)
    return repo.strip()
