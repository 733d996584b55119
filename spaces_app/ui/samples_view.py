"""Rows of the data set with their true labels, and what every contender says to the chosen one."""

from __future__ import annotations

from markupsafe import Markup

from spaces_app.service.jobs import Samples
from spaces_app.ui import prediction_view
from spaces_app.ui.markup import NONE, join, text

TITLES = {
    "image": "Try it on rows it was measured on",
    "text": "Try it on rows it was measured on",
    "prompt": "How each of them goes on",
}
TRUTHS = {"image": "true label", "text": "true label", "prompt": "the row goes on"}


def render(samples: Samples | None, job: str) -> Markup:
    """The rows as buttons of one choice; the first is chosen. No request is made by choosing."""
    if samples is None or not samples.rows:
        return NONE
    choices = join(_choice(samples, place, job) for place in range(len(samples.rows)))
    answers = join(_answer(samples, place) for place in range(len(samples.rows)))
    return Markup(
        '<section class="hm-rows hm-rows-{}"><h3>{}</h3>'
        '<fieldset><legend class="hm-hidden">A row of the data set</legend>{}</fieldset>'
        "{}</section>"
    ).format(samples.kind, TITLES[samples.kind], choices, answers)


def _choice(samples: Samples, place: int, job: str) -> Markup:
    row = samples.rows[place]
    if row.content is None:
        shown = Markup('<img src="jobs/{}/sample-{}.png" alt="row {}" loading="lazy">').format(
            job, place, place + 1
        )
    else:
        shown = Markup("<q>{}</q>").format(text(row.content))
    truth = Markup("<span>{}</span>").format(text(row.truth or "no label"))
    label = truth if samples.kind != "prompt" else NONE
    checked = Markup(" checked") if place == 0 else NONE
    return Markup('<label><input type="radio" name="row-{}" value="{}"{}>{}{}</label>').format(
        job, place, checked, shown, label
    )


def _answer(samples: Samples, place: int) -> Markup:
    row = samples.rows[place]
    said = {name: answers[place] for name, answers in samples.answers.items()}
    truth = Markup('<p class="hm-quiet">{}: <b>{}</b></p>').format(
        TRUTHS[samples.kind].capitalize(), text(row.truth or "not stated")
    )
    return Markup('<div class="hm-row" data-row="{}">{}{}</div>').format(
        place, truth, prediction_view.columns(said, row.truth)
    )
