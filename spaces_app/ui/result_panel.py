"""The result: verdict, curve, table, rows to try, and everything else in folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.errors import HubmergeError
from hubmerge.reporting.schema.report import Report
from spaces_app.service.job import Refused
from spaces_app.ui import (
    curve_view,
    markup,
    prediction_view,
    presets,
    report_view,
    samples_view,
    survey_view,
)
from spaces_app.ui.context import Context
from spaces_app.ui.plan_view import span
from spaces_app.ui.steps import QUIET, step

MORE_THAN_TWO = "With more than two models, the path leads from A to the merge of all."
NUMBER = 3


class ResultPanel:
    """Verdict, curve, tables, and what the models say to rows, images and texts."""

    def __init__(self, context: Context) -> None:
        self._context = context
        with step(NUMBER, "Result", "look", visible=False) as self.panel:
            self.verdict = gr.HTML(elem_id="verdict")
            self.next = gr.Button("Try harder", elem_id="next-effort", visible=False, size="sm")
            with gr.Row(elem_classes="hm-look"):
                with gr.Column(visible=False, min_width=320) as self.path:
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
                with gr.Column(min_width=320):
                    self.table = gr.HTML(elem_id="contenders")
            self.samples = gr.HTML(elem_id="samples")
            with gr.Accordion("Try it on an image of yours", open=False) as self.trying_image:
                self.image = gr.Image(
                    type="filepath",
                    image_mode=None,
                    sources=["upload", "clipboard"],
                    label="Image",
                    height=220,
                    elem_id="try-image",
                )
            with gr.Accordion("Try it on a text of yours", open=False) as self.trying_text:
                self.text = gr.Textbox(
                    label="Text", lines=2, max_lines=6, max_length=2000, elem_id="try-text"
                )
                self.ask = gr.Button("Ask all of them", elem_id="ask", size="sm")
            self.answers = gr.HTML(elem_id="answers")
            self.around = gr.HTML(elem_id="surveys")
            with gr.Accordion("The barrier in figures", open=False, elem_id="in-figures"):
                self.barrier = gr.HTML(elem_id="barrier")
            with gr.Accordion("How the units were matched", open=False):
                self.spaces = gr.HTML(elem_id="spaces")
            with gr.Accordion("How it was made, and its known limits", open=False):
                self.made = gr.HTML(elem_id="made")
            self.files = gr.HTML(elem_id="downloads")

    @property
    def outputs(self) -> list[Any]:
        """Components that `show` updates."""
        return [
            self.panel,
            self.verdict,
            self.next,
            self.path,
            self.barrier,
            self.curve,
            self.lam,
            self.reading,
            self.table,
            self.samples,
            self.around,
            self.spaces,
            self.made,
            self.trying_image,
            self.trying_text,
            self.answers,
            self.files,
        ]

    def show(self, job: str, request: gr.Request) -> list[Any]:
        """Show a finished merge."""
        report = self._report(job, request)
        measured = report.barrier.naive is not None
        lam = report.method.lam if report.method.lam is not None else 1.0
        rows = self._context.jobs.samples(self._context.visitor(request), job)
        return [
            gr.update(visible=True),
            report_view.verdict(report),
            self._next(report, job, request),
            gr.update(visible=measured),
            report_view.barrier(report),
            curve_view.from_report(report, lam),
            gr.update(value=lam, info=None if report.method.lam is not None else MORE_THAN_TWO),
            report_view.reading(report, lam) if measured else "",
            markup.join([report_view.contenders(report), report_view.benchmarks(report)]),
            samples_view.render(rows, job),
            survey_view.surveys(report, job),
            report_view.spaces(report),
            markup.join([report_view.made(report), survey_view.soup(report)]),
            gr.update(visible=rows is None or rows.kind == "image"),
            gr.update(visible=rows is not None and rows.kind in ("text", "prompt")),
            "",
            downloads(job),
        ]

    def hide(self) -> list[Any]:
        """Hide the panel."""
        return [gr.update(visible=False), *(gr.skip() for _ in self.outputs[1:])]

    def wire(self, job: gr.Textbox) -> None:
        """Connect the slider, the image and the text."""
        self.lam.input(
            self._read,
            [job, self.lam],
            [self.curve, self.reading],
            queue=False,
            trigger_mode="always_last",
            **QUIET,
        )
        self.image.change(self._predict, [job, self.image], self.answers, api_visibility="private")
        gr.on(
            [self.ask.click, self.text.submit],
            self._read_text,
            [job, self.text],
            self.answers,
            api_visibility="private",
        )

    def next_recipe(self, job: str, request: gr.Request) -> Any:
        """The recipe of the level after a job's; None where there is none."""
        visitor = self._context.visitor(request)
        recipe = self._context.jobs.status(visitor, job).job.parsed_recipe()
        level = presets.next_level(recipe)
        if level is None or recipe.dataset is None:
            return None
        return level, presets.to_recipe(recipe.models, recipe.dataset.id, level)

    def _next(self, report: Report, job: str, request: gr.Request) -> Any:
        """The button for the next level, with its expected time, where the verdict is not good."""
        wanted = self.next_recipe(job, request) if report_view.is_bad(report.verdict) else None
        if wanted is None:
            return gr.update(visible=False)
        level, recipe = wanted
        try:
            visitor = self._context.visitor(request)
            between = self._context.jobs.expected(visitor, recipe)
        except (Refused, HubmergeError):
            between = None
        time = span(between) if between else "takes longer"
        return gr.update(visible=True, value=f"Try again with “{level.capitalize()}” ({time})")

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

    def _read_text(self, job: str, said: str | None, request: gr.Request) -> Markup:
        if not said or not said.strip():
            return markup.NONE
        try:
            visitor = self._context.visitor(request)
            return prediction_view.render(self._context.jobs.predict(visitor, job, text=said))
        except Refused as refused:
            return markup.refusal(refused.refusal)

    def _report(self, job: str, request: gr.Request) -> Report:
        return Report.read(self._context.jobs.result(self._context.visitor(request), job))


def downloads(job: str) -> Markup:
    """Download links, for which no sign-in is needed, and the link to this result."""
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
    here = Markup('<a href="?job={}" target="_blank" rel="noopener">Link to this result</a>')
    return Markup('<div class="hm-links">{}{}</div>').format(links, here.format(job))
