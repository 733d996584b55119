"""Speech recognition by pieces: a rate of errors is shown as it is, however many they are."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hubmerge.reporting.card import render_card
from hubmerge.reporting.numbers import contender_table
from hubmerge.reporting.plots.barrier import render_plot
from hubmerge.reporting.schema.report import Barriers, Report
from hubmerge.reporting.survey_kinds import kind_of
from hubmerge.reporting.verdict import judge, rule
from hubmerge.reporting.words import tolerances_of, words_of
from hubmerge.tasks import DEFAULT_WORDS
from spaces_app.service.verified import gain_of
from spaces_app.ui import report_view
from tests.helpers.example_report import (
    comparison,
    contenders,
    curve,
    example,
    path_seen,
    plane_seen,
)

WORSE = {"accuracy_difference": -0.5, "accuracy_low": -0.6, "accuracy_high": -0.4}


def heard(merge: float = -0.25, **compared: Any) -> Report:
    """A merge whose errors are 1.25 of the tokens there are; the parents' are 0.105 and 0.11."""
    plain = example()
    merged = plain.merged.model_copy(update={"task": "speech-recognition-ctc"})
    given = contenders(merge=(merge, 0.3))
    rows = [comparison(parent, **compared) for parent in ("parent_a", "parent_b")]
    words, limits = words_of(example(merged=merged)), tolerances_of(example(merged=merged))
    verdict = judge(given, rows, words=words, tolerances=limits)
    points = curve(0.5).points
    wild = curve(0.5).model_copy(
        update={"points": [each.model_copy(update={"accuracy": -0.5}) for each in points]}
    )
    return example(
        merged=merged,
        contenders=given,
        comparisons=rows,
        verdict=verdict.name,
        verdict_sentence=verdict.sentence,
        barrier=Barriers.of(naive=wild, matched=curve(0.05)),
    )


def test_more_errors_than_tokens_are_a_rate_above_one() -> None:
    report = heard(**WORSE)
    assert report.verdict_sentence.startswith(
        "Do not use: token error rate rises by 0.500; token error rate 1.250 against 0.105 and 0.1"
    )
    table = contender_table(report)
    assert table.headings[0] == "token error rate"
    (merge,) = (
        cells for row, cells in zip(table.rows, table.cells, strict=True) if row.key == "merge"
    )
    assert merge[0] == "1.250"


def test_the_card_says_rates_their_differences_and_the_rule_for_them() -> None:
    card = render_card(heard(**WORSE), "me/heard")
    assert "type: token_error_rate\n" in card
    assert re.search(r"value: 1\.25\n", card)
    assert "| parent a | +0.500 | +0.400 | +0.600 |" in card
    assert "token error rate is certainly more than 0.10 above a parent" in card
    assert "Loss and token error rate along" in card
    assert "accuracy" not in card


def test_better_is_lower() -> None:
    words = words_of(heard())
    assert dict(rule(tolerances_of(heard()), words))["worse"] == (
        "against a parent, token error rate is certainly higher or loss higher"
    )
    assert words.gap(0.1, 0.05, None) == (-0.1, None, -0.05)
    assert DEFAULT_WORDS.gap(0.1, 0.05, None) == (0.1, 0.05, None)
    assert DEFAULT_WORDS.score(0.25) == 0.25
    assert words.score(None) is None


def test_the_page_and_the_leaderboard_show_rates() -> None:
    report = heard()
    assert "token error rate 1.500" in report_view.reading(report, 0.5)
    gain = gain_of(report)
    assert gain is not None
    assert (gain.metric, gain.merge) == ("token error rate", 1.25)
    assert gain.better_parent == pytest.approx(0.105)


def test_a_rate_above_one_stays_inside_the_picture() -> None:
    assert render_plot(heard()) is not None


def test_a_survey_shows_rates_and_no_accuracy_below_nothing() -> None:
    path = path_seen().model_copy(update={"error_rate": "token error rate"})
    worst = curve(0.3).model_copy(
        update={
            "points": [each.model_copy(update={"accuracy": -0.5}) for each in curve(0.3).points]
        }
    )
    (table,) = kind_of(path).tables(path.model_copy(update={"straight": worst}))
    assert table.head[-1] == "highest token error rate"
    assert "1.500" in {row[-1] for row in table.rows}
    plane = plane_seen().model_copy(update={"error_rate": "token error rate"})
    (table,) = kind_of(plane).tables(plane)
    assert (table.head[-1], table.rows[1][-1]) == ("token error rate there", "0.500")
    (plain,) = kind_of(path_seen()).tables(path_seen())
    assert plain.head[-1] == "lowest accuracy"
