"""Step 4: the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.reporting.schema.report import Report
from spaces_app.service.job import Refused
from spaces_app.ui import curve_view, markup, prediction_view, report_view, survey_view
from spaces_app.ui.context import Context
from spaces_app.ui.steps import QUIET, heading

MORE_THAN_TWO = "With more than two models, the path leads from A to the merge of all."


class ResultPanel:
    """Verdict, curve, tables, and predictions for an image."""

    def __init__(self, context: Context) -> None:
        self._context = context
        with gr.Column(visible=False, elem_id="look") as self.panel:
            heading(4, "Result", "The verdict, and the evidence for it.")
            self.verdict = gr.HTML(elem_id="verdict")
            with gr.Column(visible=False) as self.path:
                self.barrier = gr.HTML(elem_id="barrier")
                self.curve = gr.HTML(elem_id="curve")
                self.lam = gr.Slider(
                    0,
                    1,
                    0.5,
                    step=0.01,
                    label="λ, the share of model B: read values off the curve",
                    elem_id="lambda",
                )
                self.reading = gr.HTML(elem_id="reading")
            self.table = gr.HTML(elem_id="contenders")
            self.around = gr.HTML(elem_id="surveys")
            with gr.Accordion("How the units were matched", open=False):
                self.spaces = gr.HTML(elem_id="spaces")
            with gr.Accordion("How it was made, and its known limits", open=False):
                self.made = gr.HTML(elem_id="made")
            with gr.Accordion("Try it on an image", open=True) as self.trying:
                self.image = gr.Image(
                    type="filepath",
                    image_mode=None,
                    sources=["upload", "clipboard"],
                    label="Image",
                    height=220,
                    elem_id="try-image",
                )
                self.answers = gr.HTML(elem_id="answers")
            self.files = gr.HTML(elem_id="downloads")

    @property
    def outputs(self) -> list[Any]:
        """Components that `show` updates."""
        return [
            self.panel,
            self.verdict,
            self.path,
            self.barrier,
            self.curve,
            self.lam,
            self.reading,
            self.table,
            self.around,
            self.spaces,
            self.made,
            self.trying,
            self.files,
        ]

    def show(self, job: str, request: gr.Request) -> list[Any]:
        """Show a finished merge."""
        report = self._report(job, request)
        measured = report.barrier.naive is not None
        lam = report.method.lam if report.method.lam is not None else 1.0
        return [
            gr.update(visible=True),
            report_view.verdict(report),
            gr.update(visible=measured),
            report_view.barrier(report),
            curve_view.from_report(report, lam),
            gr.update(value=lam, info=None if report.method.lam is not None else MORE_THAN_TWO),
            report_view.reading(report, lam) if measured else "",
            report_view.contenders(report),
            survey_view.surveys(report, job),
            report_view.spaces(report),
            markup.join([report_view.made(report), survey_view.soup(report)]),
            gr.update(visible=report.merged.auto_processor is not None),
            downloads(job),
        ]

    def hide(self) -> list[Any]:
        """Hide the panel."""
        return [gr.update(visible=False), *(gr.skip() for _ in self.outputs[1:])]

    def wire(self, job: gr.Textbox) -> None:
        """Connect the slider and the image."""
        self.lam.input(
            self._read,
            [job, self.lam],
            [self.curve, self.reading],
            queue=False,
            trigger_mode="always_last",
            **QUIET,
        )
        self.image.change(self._predict, [job, self.image], self.answers, api_visibility="private")

    def _read(self, job: str, lam: float, request: gr.Request) -> tuple[Markup, Markup]:
        report = self._report(job, request)
        return curve_view.from_report(report, lam), report_view.reading(report, lam)

    def _predict(self, job: str, image: str | None, request: gr.Request) -> Markup:
        if image is None:
            return markup.NONE
        try:
            visitor = self._context.visitor(request)
            return prediction_view.render(
                self._context.jobs.predict(visitor, job, Path(image).read_bytes())
            )
        except Refused as refused:
            return markup.refusal(refused.refusal)

    def _report(self, job: str, request: gr.Request) -> Report:
        return Report.read(self._context.jobs.result(self._context.visitor(request), job))


def downloads(job: str) -> Markup:
    """Download links, for which no sign-in is needed."""
    names = (
        ("merge.zip", "The merged model"),
        ("report.json", "Every figure"),
        ("hubmerge.yaml", "The recipe"),
        ("README.md", "The card"),
    )
    links = markup.join(
        Markup('<a href="jobs/{}/{}" download>{} ({})</a>').format(job, name, said, name)
        for name, said in names
    )
    return Markup('<div class="hm-links">{}</div>').format(links)
