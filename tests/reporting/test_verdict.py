"""The verdict's rule: its limits, its order, and that improving never makes it worse."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubmerge.reporting.schema.contenders import Contenders
from hubmerge.reporting.verdict import headline, judge, rule
from hubmerge.tasks import DEFAULT_TOLERANCES, DEFAULT_WORDS
from tests.helpers.example_report import comparison, contenders

ORDER = ("do not use", "worse", "cannot tell", "as good", "better than both parents")
BETTER = {
    "accuracy_difference": 0.02,
    "accuracy_low": 0.01,
    "accuracy_high": 0.03,
    "calibrated_loss_difference": -0.02,
    "calibrated_loss_low": -0.03,
    "calibrated_loss_high": -0.01,
}
UNCALIBRATED = {
    "calibrated_loss_difference": None,
    "calibrated_loss_low": None,
    "calibrated_loss_high": None,
}


def verdict(a, b=None, **options):
    """The verdict for changes to the comparison with each parent (the same for both if one)."""
    compared = [comparison("parent_a", **a), comparison("parent_b", **(a if b is None else b))]
    return judge(contenders(), compared, **options)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "as good"),
        (BETTER, "better than both parents"),
        ({**BETTER, "accuracy_low": 0.0}, "as good"),
        ({**BETTER, "calibrated_loss_high": 0.0}, "as good"),
        ({"accuracy_low": -0.01}, "cannot tell"),
        ({"calibrated_loss_high": 0.01}, "cannot tell"),
        ({"accuracy_low": -0.0099, "accuracy_high": -0.001}, "as good"),
        ({"accuracy_low": -0.02, "accuracy_high": 0.0}, "cannot tell"),
        ({"accuracy_low": -0.02, "accuracy_high": -0.0001}, "worse"),
        ({"calibrated_loss_low": 0.0, "calibrated_loss_high": 0.02}, "cannot tell"),
        ({"calibrated_loss_low": 0.0001, "calibrated_loss_high": 0.02}, "worse"),
        ({"accuracy_low": -0.3, "accuracy_high": -0.1}, "worse"),
        ({"accuracy_low": -0.3, "accuracy_high": -0.1001}, "do not use"),
        (UNCALIBRATED, "cannot tell"),
        ({**BETTER, **UNCALIBRATED}, "cannot tell"),
        ({**UNCALIBRATED, "accuracy_low": -0.02, "accuracy_high": -0.01}, "worse"),
        ({**UNCALIBRATED, "accuracy_low": -0.3, "accuracy_high": -0.2}, "do not use"),
    ],
)
def test_the_rule_at_its_limits(changes, expected):
    assert verdict(changes).name == expected


def test_good_verdicts_ask_both_parents_and_bad_ones_either():
    worse = {"accuracy_difference": -0.03, "accuracy_low": -0.05, "accuracy_high": -0.02}
    unusable = {"accuracy_difference": -0.3, "accuracy_low": -0.4, "accuracy_high": -0.2}
    assert verdict(BETTER, {}).name == verdict({}, BETTER).name == "as good"
    assert verdict(BETTER, worse).name == verdict(worse, BETTER).name == "worse"
    assert verdict(BETTER, unusable).name == verdict(unusable, BETTER).name == "do not use"


def test_nothing_measured_cannot_tell_and_broken_outputs_must_not_be_used():
    assert judge(Contenders(), []).name == "cannot tell"
    assert judge(contenders(), [comparison("parent_a", **BETTER)]).name == "cannot tell"
    assert judge(Contenders(), [], finite=False).name == "do not use"
    assert verdict(BETTER, finite=False).name == "do not use"


def test_comparisons_with_other_contenders_do_not_count():
    compared = [comparison("parent_a"), comparison("parent_b")]
    against = comparison("ensemble", accuracy_high=-0.2, accuracy_low=-0.3)
    assert judge(contenders(), [against, *compared]) == judge(contenders(), compared)


numbers = st.floats(-0.5, 0.5)
triples = st.tuples(numbers, numbers, numbers).map(sorted)
steps = st.floats(0, 0.3)


@st.composite
def compared(draw):
    """(before, after): comparisons with both parents, and the same after the merge improved."""
    before, after = [], []
    for other in ("parent_a", "parent_b"):
        accuracy, loss = draw(triples), draw(triples)
        up, down = draw(steps), draw(steps)
        for found, rise, fall in ((before, 0, 0), (after, up, down)):
            found.append(
                comparison(
                    other,
                    accuracy_low=accuracy[0] + rise,
                    accuracy_difference=accuracy[1] + rise,
                    accuracy_high=accuracy[2] + rise,
                    calibrated_loss_low=loss[0] - fall,
                    calibrated_loss_difference=loss[1] - fall,
                    calibrated_loss_high=loss[2] - fall,
                )
            )
    return before, after


@settings(deadline=None, max_examples=50)
@given(compared())
def test_a_merge_that_improves_is_never_judged_lower(pair):
    before, after = (judge(contenders(), comparisons) for comparisons in pair)
    assert ORDER.index(after.name) >= ORDER.index(before.name)


@settings(deadline=None, max_examples=50)
@given(compared())
def test_the_order_of_the_parents_does_not_matter(pair):
    comparisons = pair[0]
    assert judge(contenders(), comparisons) == judge(contenders(), comparisons[::-1])


@settings(deadline=None, max_examples=50)
@given(compared())
def test_every_sentence_is_one_line_with_the_verdict_the_figures_and_n(pair):
    name, sentence = judge(contenders(), pair[0])
    assert sentence.lower().startswith(name.split(" than")[0])
    assert "0.893 against 0.895 and 0.890 on 1,000 test images" in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            "As good as both parents: accuracy 0.893 against 0.895 and 0.890 on 1,000 test images.",
        ),
        (
            {"accuracy_difference": -0.05, "accuracy_low": -0.06, "accuracy_high": -0.04},
            "Worse than both parents by 0.050: accuracy 0.893 against 0.895 and 0.890 "
            "on 1,000 test images.",
        ),
        (
            {
                "calibrated_loss_difference": 0.03,
                "calibrated_loss_low": 0.02,
                "calibrated_loss_high": 0.04,
            },
            "Worse than both parents by 0.030 nats of calibrated loss: accuracy 0.893 against "
            "0.895 and 0.890 on 1,000 test images.",
        ),
    ],
)
def test_sentences_are_plain(changes, sentence):
    assert verdict(changes).sentence == sentence


def test_the_verdict_cannot_tell_names_the_rows_needed():
    # Half as wide a bound as .02 fits into .01: four times the rows.
    wide = {"accuracy_low": -0.02, "accuracy_high": 0.02}
    assert "about 4,000 test images would settle it" in verdict(wide).sentence
    # At the limit of accuracy with no difference in loss; 51 ** 2 times the rows for "worse".
    edge = {"accuracy_difference": -0.01, "accuracy_low": -0.5, "accuracy_high": 0.5}
    edge["calibrated_loss_difference"] = 0.0
    assert "no realistic number" in verdict(edge).sentence


def test_headline_is_what_stands_before_the_figures():
    worse = {"accuracy_difference": -0.05, "accuracy_low": -0.06, "accuracy_high": -0.04}
    assert headline(verdict(worse, {}).sentence) == "Worse than parent A by 0.050"
    assert headline(verdict({}, worse).sentence) == "Worse than parent B by 0.050"
    assert headline(verdict({"accuracy_low": -0.02}).sentence) == "Cannot tell"


def test_the_rule_shown_names_every_verdict_once():
    assert sorted(name for name, _ in rule(DEFAULT_TOLERANCES, DEFAULT_WORDS)) == sorted(ORDER)


def of_three(*changes):
    """The verdict for changes to the comparison with each of three parents."""
    compared = [
        comparison(f"parent_{letter}", **change)
        for letter, change in zip("abc", changes, strict=True)
    ]
    return judge(contenders(parent_c=(0.885, 0.54)), compared)


def test_of_three_parents_all_are_asked_and_named():
    worse = {"accuracy_difference": -0.03, "accuracy_low": -0.05, "accuracy_high": -0.02}
    better = of_three(BETTER, BETTER, BETTER)
    assert better.name == "better than all parents"
    assert better.sentence == (
        "Better than all parents: accuracy 0.893 against 0.895, 0.890 and 0.885 on 1,000 test "
        "images."
    )
    assert of_three(BETTER, BETTER, {}).sentence.startswith("As good as all parents")
    assert of_three(BETTER, BETTER, worse).sentence.startswith("Worse than parent C by 0.030")
    two = of_three(worse, BETTER, worse).sentence
    assert two.startswith("Worse than parent A and parent C by 0.030")
    assert of_three(worse, worse, worse).sentence.startswith("Worse than all parents by")


@pytest.mark.parametrize("changes", [BETTER, {"accuracy_low": -0.3, "accuracy_high": -0.2}, {}])
def test_below_thirty_rows_nothing_is_concluded(changes):
    found = verdict({**changes, "n": 29}, unit="texts")
    assert found.name == "cannot tell"
    assert found.sentence.endswith("on 29 test texts. A conclusion takes at least 30 test texts.")
    assert verdict({**changes, "n": 30}).name != "cannot tell"
