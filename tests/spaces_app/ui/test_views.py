"""What others wrote is shown as what it is, and never acted upon."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubmerge.errors.wording import render
from hubmerge.reporting.next_steps import LONGER
from hubmerge.reporting.schema.barriers import Barriers, OnTraining
from hubmerge.reporting.schema.base import RowSetRecord
from hubmerge.reporting.schema.fusion import SoupRecord, SoupStep
from hubmerge.reporting.schema.refinement import RefinedRecord, RefinementRecord
from hubmerge.reporting.survey_kinds import kind_of
from spaces_app.service.gallery import GalleryEntry, chosen, gallery_entry
from spaces_app.service.hub_queries import Found
from spaces_app.service.job import Refusal
from spaces_app.service.jobs import SampleRow, Samples
from spaces_app.ui import (
    curve_view,
    gallery_view,
    markup,
    plan_view,
    prediction_view,
    publish_view,
    report_view,
    samples_view,
    survey_view,
    verdict_view,
)
from spaces_app.ui.gallery_page import choices, show
from spaces_app.ui.gallery_view import merge_again_link
from spaces_app.ui.models_panel import ModelsPanel, offer
from spaces_app.ui.presets import QUICK, STANDARD, to_recipe
from spaces_app.ui.report_view import values_at
from spaces_app.ui.search_field import suggestions
from spaces_app.ui.wording import PAGE
from tests.helpers.example_report import curve, example, surveyed
from tests.reporting.test_benchmarks import quiz

EVIL = "<script>alert(1)</script>\"' onload=x \x1b[31m\u202e"
hostile = st.text(max_size=30) | st.just(EVIL)

ENTRY = ("id", "parents", "data", "verdict", "accuracy", "barrier", "rows", "updated")


def entry(*values):
    """A gallery entry of these values."""
    return GalleryEntry(**dict(zip(ENTRY, values, strict=True)))


def found(said: str, **changes: str) -> Found:
    """A repository of which the Hub says nothing else."""
    return Found(id=said, **{"task": said, "family": "vit", "licence": said, **changes})


def rows_to_try(said: str) -> Samples:
    """A row of which everything is said."""
    row = SampleRow(content=said, truth=said)
    return Samples(kind="text", rows=[row], answers={said: [[(said, 0.5)]]})


class Elements(HTMLParser):
    """Names and attributes of what a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def shape(html: object) -> list[tuple[str, tuple[str, ...]]]:
    return Elements(str(html)).found


@given(hostile)
def test_no_text_changes_the_markup_around_it(text: str) -> None:
    plain = "x"
    for view in (
        lambda said: markup.refusal(Refusal(kind="k", what=said, found="f", hint="h")),
        lambda said: prediction_view.render({said: [(said, 0.5)]}),
        lambda said: gallery_view.render(
            [entry(said, (said, said), said, said, 0.1, 0.1, 5, said)]
        ),
        lambda said: suggestions([found(said)], found("x", family=said + "other")),
        lambda said: offer([said], said),
        lambda said: samples_view.render(rows_to_try(said), "17"),
        lambda said: publish_view.published(
            {"pr_url": None, "url": said, "changed": True, "commit": "c" + said},
            {"private": True},
            example(verdict_sentence=said),
        ),
        lambda said: markup.on_hub(said),
    ):
        assert shape(view(text)) == shape(view(plain))
    assert "\x1b" not in markup.text(text)
    assert "\u202e" not in markup.text(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | hostile,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
figures = st.fixed_dictionaries({"type": st.just("accuracy") | values, "value": values})
results = st.fixed_dictionaries(
    {
        "dataset": values | st.fixed_dictionaries({"args": values}),
        "metrics": values | st.lists(figures),
    }
)
cards = values | st.fixed_dictionaries(
    {},
    optional={
        "self": values,
        "verdict": values,
        "base_model": values,
        "model-index": values | st.lists(st.fixed_dictionaries({"results": st.lists(results)})),
    },
)


@given(st.fixed_dictionaries({}, optional={"id": values, "cardData": cards, "private": values}))
def test_whatever_a_card_says_the_gallery_stands(said: dict) -> None:
    shown = gallery_entry(said)
    rows = [row for row in shape(gallery_view.render([shown])) if row[0] == "tr"]
    assert len(rows) == 2
    assert "nan" not in str(gallery_view.render([shown])) or "nan" in str(said).lower()


def test_the_gallery_is_filtered_and_sorted() -> None:
    def merge(name: str, accuracy: float | None, **said: str) -> GalleryEntry:
        first = entry(name, ("a/a", "b/b"), None, None, accuracy, None, None, "2001-01-01")
        return replace(first, **said)

    low = merge("me/low", 0.5, task="text-generation", verdict="worse")
    high = merge("me/high", 0.9, task="text-generation", verdict="as good")
    image = merge("me/image", None, task="image-classification", updated="2002-01-01")
    entries = [low, high, image]
    assert chosen(entries, "newest") == [image, low, high]
    assert chosen(entries, "highest accuracy") == [high, low, image]
    assert chosen(entries, "newest", task="text-generation", verdict=None) == [low, high]
    assert chosen(entries, "newest", task="text-generation", verdict="as good") == [high]
    assert "me/high" in show(entries, "newest", "text-generation", "", "as good", "")
    assert "No merge" in show(entries, "newest", "text-generation", "vit", "", "")
    assert "No merge" in show(entries, "newest", "", "", "", "verified")
    assert "me/high" in show(entries, "newest", "", "", "", "not verified")
    assert choices(entries, "verdict") == [
        ("every verdict", ""),
        ("as good", "as good"),
        ("worse", "worse"),
    ]


@pytest.mark.parametrize("value", [10**400, -(10**400), float("inf"), float("nan"), True, "1"])
def test_what_is_no_figure_is_shown_as_none(value: object) -> None:
    metrics = [{"type": "accuracy", "value": value}]
    result = {"dataset": {"args": {"rows": value}}, "metrics": metrics}
    shown = gallery_entry({"cardData": {"model-index": [{"results": [result]}]}})
    assert (shown.accuracy, shown.rows) == (None, None)


def test_a_card_is_shown_as_it_is() -> None:
    result = {
        "dataset": {"args": {"rows": 400}},
        "metrics": [{"type": "accuracy", "value": 0.9}, {"type": "loss_barrier", "value": 0.1}],
    }
    card = {
        "base_model": ["o/a", "o/b"],
        "datasets": ["o/d"],
        "verdict": "worse",
        "model-index": [{"name": "m", "results": [result]}],
    }
    said = {"id": "o/m", "cardData": card, "lastModified": "2024-05-06T00:00:00.000Z"}
    wanted = entry("o/m", ("o/a", "o/b"), "o/d", "worse", 0.9, 0.1, 400, "2024-05-06")
    assert gallery_entry(said) == wanted
    (address,) = re.findall(r'href="./\?([^"]+)"', html.unescape(merge_again_link(wanted)))
    assert ModelsPanel.from_query(dict(parse_qsl(address))) == ["o/a", "o/b", "", "o/d"]


def test_a_curve_has_no_line_where_nothing_was_measured() -> None:
    whole = [(step / 10, 1.0) for step in range(11)]
    assert str(curve_view.draw({"naive": whole})).count("<polyline") == 1
    torn = [whole[0], whole[1], whole[10]]
    assert str(curve_view.draw({"naive": torn})).count("<polyline") == 2
    assert str(curve_view.draw({"naive": torn}, finished=True)).count("<polyline") == 1


def test_a_finished_curve_is_one_line_with_the_merge_beside_it_if_it_is_off_the_path() -> None:
    report = example()
    on_it, off_it = (
        report.model_copy(
            update={
                "contenders": report.contenders.model_copy(
                    update={"merge": report.contenders.merge.model_copy(update={"loss": loss})}
                )
            }
        )
        for loss in (report.barrier.detail.matched.points[5].loss, 0.001)
    )
    for shown, stars in ((on_it, 0), (off_it, 1)):
        drawn = str(curve_view.from_report(shown))
        assert drawn.count("<polyline") == 2
        assert drawn.count("<polygon") == stars
        assert ("off the path" in drawn) == bool(stars)


def test_a_value_between_points_is_on_the_line_and_marked_as_interpolated() -> None:
    curve = example().barrier.detail.matched
    assert curve is not None
    for point in curve.points:
        assert values_at(curve, point.lam) == (point.loss, point.accuracy, True)
    left, right = sorted(curve.points, key=lambda point: point.lam)[:2]
    loss, _, measured = values_at(curve, (left.lam + right.lam) / 2)
    assert not measured
    assert abs(loss - (left.loss + right.loss) / 2) < 1e-9


def test_surveys_are_shown_with_pictures_that_say_what_is_to_be_seen() -> None:
    report = surveyed()
    shown = str(survey_view.surveys(report, "17"))
    assert report.surveys is not None
    for seen in report.surveys.seen:
        assert html.escape(seen.sentence, quote=False) in html.unescape(shown)
        assert f'src="jobs/17/{kind_of(seen).picture}" alt="{kind_of(seen).alt}"' in shown
    assert survey_view.surveys(example(), "17") == markup.NONE


def test_a_soup_is_shown_step_by_step() -> None:
    steps = [
        SoupStep(ingredient="parent_b", alone=0.9, soup=None, taken=True),
        SoupStep(ingredient="parent_a", alone=0.8, soup=0.85, taken=False),
    ]
    method = example().method.model_copy(
        update={"soup": SoupRecord(metric="accuracy", steps=steps), "ingredients": [0.0, 1.0]}
    )
    shown = str(survey_view.soup(example(method=method)))
    assert shown.index("parent B") < shown.index("parent A")
    for said in ("taken", "left out", "0.850", "accuracy alone", "weighs"):
        assert said in shown
    assert survey_view.soup(example()) == markup.NONE


def test_barriers_are_shown_on_test_and_on_training_rows() -> None:
    plain = example()
    rows = RowSetRecord(split="train", rows=300, available=5000, fingerprint="4" * 16)
    training = OnTraining.of(rows, 0, naive=curve(1.5, n=300), matched=curve(0.01, n=300))
    bars = plain.barrier.model_copy(update={"training": training})
    left_out = Barriers.of(naive=None, matched=None, left_out=True)
    assert "leaves the path" in str(report_view.barrier(example(barrier=left_out)))
    shown = str(report_view.barrier(example(barrier=bars)))
    assert shown.count("<td>300 training</td>") == shown.count("<td>1,000 test</td>") == 2
    assert "not affect the verdict" in shown
    assert "training" not in str(report_view.barrier(plain))


def test_a_verdict_that_is_not_good_says_what_may_help_in_the_words_of_the_page():
    shown = str(report_view.verdict(example(verdict="worse")))
    assert "Fusion “least-squares”" in shown
    assert "--fuse" not in shown
    assert "What may improve the merge" not in str(report_view.verdict(example()))
    assert render(LONGER, PAGE) == (
        "Matching “learned” with `learning_steps: 3600` in a recipe: more steps, if this took fewer"
    )


def test_the_plan_says_why_the_fusion_is_another_with_a_base() -> None:
    def said(level: str, data: str | None, **chosen: str) -> str:
        recipe = to_recipe(["o/a", "o/b"], data, level, chosen)
        return html.unescape(re.sub("<[^>]*>", "", plan_view._fused(recipe)))

    fusion = PAGE.option("fuse", ())
    by_base = f"ties (because a base is given; {fusion} names another)"
    assert said(QUICK, None, base="o/base") == by_base
    assert said(STANDARD, None, base="o/base") == by_base
    assert said(QUICK, None, base="o/base", fuse="ties") == "ties"
    assert said(STANDARD, "o/d", base="o/base").startswith("auto (compared on rows")
    assert said(QUICK, None) == "average"


def test_benchmarks_stand_below_the_contenders() -> None:
    report = example(benchmarks=[quiz(), quiz(task="me/sketches", harness=None)])
    said = str(report_view.benchmarks(report))
    assert "Run by lm-evaluation-harness" in said
    assert "Measured as the rows above" in said
    assert said.count("<table>") == 2
    assert "0.750" in said
    assert "+0.050" in said
    assert report_view.benchmarks(example()) == ""


@pytest.mark.parametrize(
    ("sentence", "mark", "below"),
    [
        ("As good as both: accuracy 0.9: fine.", "As good as both", "Accuracy 0.9: fine."),
        ("Cannot tell, because of that: no data.", "Cannot tell, because of that", "No data."),
        ("No figures", "No figures", ""),
    ],
)
def test_a_verdict_is_said_once(sentence: str, mark: str, below: str) -> None:
    told = str(verdict_view.told(example(verdict_sentence=sentence)))
    said = [each for each in re.split("<[^>]*>", told) if each]
    assert said == [each for each in (mark, below) if each]


def test_a_contender_that_is_a_refined_parent_says_what_it_is_for() -> None:
    plain = example()
    network = RefinedRecord(
        steps=9,
        best_step=9,
        divergence_before=0.2,
        divergence_after=0.1,
        loss_before=0.2,
        loss_after=0.1,
        kept=True,
    )
    refine = RefinementRecord(refine="distill", steps=9, merge=network, parent="parent_a")
    report = example(
        contenders=plain.contenders.model_copy(
            update={"refined_parent": plain.contenders.parent_a}
        ),
        method=plain.method.model_copy(update={"refine": refine}),
    )
    shown = str(report_view.contenders(report))
    assert report_view.REFINED in shown
    assert report_view.ACCURACY in shown


@pytest.mark.parametrize(
    ("what", "said"),
    [("there is none", "There is none"), ("the/re is none", "the/re is none"), ("", "")],
)
def test_an_error_begins_as_a_sentence_does(what: str, said: str) -> None:
    assert markup.sentence(what) == said


def test_the_gallery_says_what_a_merge_is_of_and_leads_back_to_it() -> None:
    of_two = entry("me/both", ("o/a", "o/b"), "o/d", "as good", 0.9, 0.1, 1000, "2026-01-01")
    shown = str(gallery_view.render([of_two]))
    assert shown.index("me/both") < shown.index("o/a") < shown.index("?a=o%2Fa")
    alone = entry("me/both", ("o/a",), None, None, None, None, None, "")
    assert "merge its parents" not in str(gallery_view.render([alone]))
