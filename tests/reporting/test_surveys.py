"""Surveys in a report: drawn from it alone, shown with what is seen, and absent where there are
none."""

from __future__ import annotations

import html
import math

import pytest

import hubmerge
from hubmerge.reporting.card import render_card
from hubmerge.reporting.pictures import PICTURES, pictures
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.schema.surveys import Surveys, is_sound
from hubmerge.reporting.survey_kinds import as_text, kind_of
from hubmerge.reporting.templating import as_markdown
from hubmerge.reporting.text import render_text
from hubmerge.reporting.write import write_report
from hubmerge.verification.claims import check_card, check_pictures
from hubmerge.verification.result import Outcome
from tests.helpers.example_report import (
    example,
    of_three,
    path_seen,
    plane_seen,
    simplex_seen,
    surveyed,
)


@pytest.mark.parametrize("seen", [path_seen(), plane_seen(), simplex_seen(), simplex_seen(4)])
def test_every_survey_is_drawn_the_same_every_time(seen):
    kind = kind_of(seen)
    first, again = (kind.draw(seen, "images") for _ in range(2))
    assert first == again
    assert first.startswith(b"\x89PNG")
    assert kind.picture in PICTURES


def test_a_card_shows_every_survey_with_its_sentence_picture_and_figures(tmp_path):
    report = surveyed()
    card = render_card(report)
    body = html.unescape(card)
    assert card.index("(barrier.png)") < card.index("(path.png)") < card.index("(plane.png)")
    for seen in report.surveys.seen:
        assert seen.sentence in body
        assert seen.sentence in render_text(report)
        (table,) = kind_of(seen).tables(seen)
        assert str(as_markdown(table)) in card
    written = {path.name for path in write_report(report, tmp_path)}
    assert written == {
        "report.json",
        "README.md",
        "badge.svg",
        "barrier.png",
        "path.png",
        "plane.png",
    }
    assert Report.read(tmp_path) == report
    assert Report.read(tmp_path).surveys.plane.points[-1].loss is None


def test_of_three_models_the_simplex_is_shown():
    card = render_card(of_three(surveys=Surveys(simplex=simplex_seen())))
    assert "(simplex.png)" in card
    assert (
        "| cycle-consistent | 0.300 (0.270 to 0.330) | 0.200 (0.180 to 0.220) | 0.950 | 0.940 |"
        in card
    )


def test_without_surveys_nothing_is_said_of_them():
    plain = example()
    assert '"surveys"' not in plain.to_json()
    assert set(pictures(plain)) == {"badge.svg", "barrier.png"}
    assert "Loss landscape" not in render_card(plain)
    none = example(surveys=Surveys())
    assert render_card(none) == render_card(plain)


def test_pictures_and_lines_of_surveys_are_checked():
    report = surveyed()
    report.run.versions["hubmerge"] = hubmerge.__version__
    drawn = pictures(report)
    checks, remarks = check_pictures(drawn, report)
    assert {check.what for check in checks} == {"badge.svg", "barrier.png", "path.png", "plane.png"}
    assert {check.outcome for check in checks} == {Outcome.IDENTICAL}
    assert not remarks
    del drawn["plane.png"]
    (bad,) = (c for c in check_pictures(drawn, report)[0] if c.outcome != Outcome.IDENTICAL)
    assert (bad.what, bad.why) == ("plane.png", "missing")
    without = render_card(report).replace("(path.png)", "(other.png)")
    assert any(check.outcome != Outcome.IDENTICAL for check in check_card(without, report)[0])


def test_what_is_no_number_is_not_sound():
    seen = path_seen()
    broken = seen.naive.model_copy(update={"n": 5})
    assert is_sound(seen.model_copy(update={"naive": broken}))
    points = [seen.naive.points[0].model_copy(update={"loss": math.nan})]
    broken = seen.naive.model_copy(update={"points": points})
    assert not is_sound(seen.model_copy(update={"naive": broken}))


def test_a_terminal_gets_columns():
    (table,) = kind_of(path_seen()).tables(path_seen())
    lines = as_text(table).splitlines()
    assert len(lines) == 1 + 3
    assert len({len(line) for line in lines}) == 1
    assert lines[-1].startswith("bezier  ")
