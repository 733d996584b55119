"""The first screen: what this is, in one sentence and one picture, and examples to open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.reporting.numbers import count, figure
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.verdict import figures_said
from spaces_app.host import Example
from spaces_app.service.examples import Examples
from spaces_app.service.job import Job, Refused, State
from spaces_app.ui import curve_view, markup, presets
from spaces_app.ui.context import Context
from spaces_app.ui.steps import PLAIN
from spaces_app.ui.verdict_view import chip

PICTURE = Path(__file__).parent / "first_picture.json"
"""Curves of a merge that was made by `docs/make_images.py`."""
SENTENCE = (
    "Make one model of two that were trained apart: their units are matched first, so that their "
    "average works."
)
UNMERGED = {
    None: "Takes about a minute here, and then shows its curves.",
    State.WAITING: "Waits for its turn to be merged here.",
    State.RUNNING: "Is being merged just now.",
}
"""State of an example without a result -> what its card says in place of one."""
NO_EXAMPLES = Markup(
    '<p class="hm-quiet" id="no-examples">There are no examples for this Hub. The '
    '<a href="gallery">gallery</a> shows merges whose parents can be merged again.</p>'
)
CHOOSE = """element.addEventListener('click', (event) => {
  const chosen = event.target.closest('[data-example]');
  if (!chosen) return;
  trigger('select', {example: +chosen.dataset.example, again: 'again' in chosen.dataset});
});"""
"""Tells the page which example was chosen."""


class Welcome:
    """Sentence, picture and examples; hidden as soon as a merge is on the page."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._examples = context.host.examples
        self._results = Examples(context.jobs, [recipe_of(each) for each in self._examples])
        with gr.Column(elem_id="welcome") as self.panel:
            gr.HTML(first_picture())
            self.cards = gr.HTML(self.render(), elem_id="examples", js_on_load=CHOOSE, **PLAIN)
        if context.host.examples_at_start:
            self._results.make_missing()

    def render(self) -> Markup:
        """A card per example, with its result where there is one."""
        if not self._examples:
            return NO_EXAMPLES
        found = zip(self._examples, self._results.newest(), strict=True)
        cards = (
            card(place, each, job, self._report(job)) for place, (each, job) in enumerate(found)
        )
        return Markup('<div class="hm-cards">{}</div>').format(markup.join(cards))

    def chosen(self, place: int) -> tuple[Example, Job | None]:
        """The example at a place, and its finished merge, if there is one."""
        place = min(max(place, 0), len(self._examples) - 1)
        job = self._results.newest()[place]
        return self._examples[place], job

    @staticmethod
    def recipe(example: Example) -> Any:
        """The recipe of an example."""
        return recipe_of(example)

    def _report(self, job: Job | None) -> Report | None:
        if job is None or job.state is not State.DONE:
            return None
        try:
            return Report.read(self._context.jobs.folders.result(job.id))
        except (OSError, ValueError, Refused):
            return None


def card(place: int, example: Example, job: Job | None, report: Report | None) -> Markup:
    """An example: its curves and verdict, or words where it has no result yet.

    job: its finished merge, else one that waits or runs. report: of the finished one.
    """
    if report is None:
        waits = None if job is None or job.has_ended else job.state
        picture, style, again = markup.NONE, " hm-unmerged", markup.NONE
        told = Markup('<span class="hm-quiet">{}</span>').format(UNMERGED[waits])
        label = "Merge them" if waits is None else "Watch"
    else:
        picture, style, label = curve_view.thumbnail(report), "", "See the result"
        told = chip(report.verdict) + Markup('<span class="hm-quiet">{}</span>').format(
            markup.text(figures_said(report.verdict_sentence))
        )
        again = Markup(
            '<button type="button" class="hm-link" data-example="{}" data-again>'
            'Run it again<span class="hm-hidden">: {}</span></button>'
        ).format(place, example.name)
    return Markup(
        '<article class="hm-example{}"><button type="button" data-example="{}">'
        '{}<b>{}</b>{}<span class="hm-go">{}</span></button>{}</article>'
    ).format(style, place, picture, _upper(example.name), told, label, again)


def recipe_of(example: Example) -> Any:
    """The recipe of an example."""
    return presets.to_recipe(example.models, example.dataset, presets.STANDARD)


def values_of(example: Example) -> list[str]:
    """What an example fills in: model A, model B, further ones, data set."""
    a, b, *more = example.models
    return [a, b, "\n".join(more), example.dataset or ""]


@cache
def first_picture() -> Markup:
    """The sentence, and the barrier that disappears."""
    said = json.loads(PICTURE.read_text(encoding="utf-8"))
    curves: dict[str, Sequence[tuple[float, float]]] = {
        name: [(lam, loss) for lam, loss in said[name]] for name in ("naive", "matched")
    }
    drawn = curve_view.first_picture(curves)
    caption = (
        f"{said['what']}, the loss on the way from one to the other, on {count(said['rows'])} "
        f"{said['unit']}: a barrier of {figure(said['barrier']['naive'], 2)} nats, and of "
        f"{figure(said['barrier']['matched'], 2)} once their units are matched."
    )
    return Markup(
        '<section class="hm-welcome"><h2>{}</h2>'
        '<figure class="hm-figure">{}<figcaption>{}</figcaption></figure></section>'
    ).format(SENTENCE, drawn, caption)


def _upper(text: str) -> Markup:
    return markup.text(text[:1].upper() + text[1:])
