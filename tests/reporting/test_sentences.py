"""Every sentence that reports, cards, terminal and page compose, in every combination."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

import pytest

from hubmerge.evaluation.results import Barrier
from hubmerge.hub.licence import ParentLicence, merged_licence
from hubmerge.reporting.barrier_text import barrier_sentence
from hubmerge.reporting.numbers import counted, excess
from hubmerge.reporting.path_verdict import barrier_claim
from hubmerge.reporting.schema.method import SpaceRecord
from hubmerge.reporting.schema.report import Barriers
from hubmerge.reporting.text import render_text
from hubmerge.reporting.verdict import headline, judge
from hubmerge.tasks import find_task
from tests.helpers.example_report import comparison, contenders, curve, example, unmeasured

UNITS = ("images", "rows", "texts", "blocks")
WORDS = {
    name: find_task(name).measures[0].words for name in ("image-classification", "text-generation")
}
ODD = re.compile(
    r"\bby at (?:most|least) −"  # a rise that falls
    r"|\b(?:higher|lower|drops|Worse than [^:]*) by −"
    r"|\b[Mm]atched by none\b|\bunknown \(unknown\)|\(unknown\)"
    r"|\b1 (?:test )?(?:images|rows|texts|blocks)\b"
    r"|\bNone\b|\bnan\b|\binf\b|  |\.\.|,,|:\.|: ;|\( |\bno rule\b|−0\.000\b"
)


def height(value: float, width: float | None = 0.005) -> Barrier:
    """A barrier with its interval; without one where there were too few rows."""
    if width is None:
        return Barrier(value=value, low=None, high=None, at=0.5)
    return Barrier(value=value, low=value - width, high=value + width, at=0.5)


def compared(parents: int) -> Iterator[list]:
    """What a merge may be against its parents, by either measure."""
    loss = [(0.03, 0.02, 0.04), (-0.03, -0.04, -0.02), (0.0, -0.03, 0.03), (None, None, None)]
    accuracy = [(0.03, 0.02, 0.04), (-0.03, -0.04, -0.02), (0.0, -0.03, 0.03), (-0.4, -0.5, -0.3)]
    for (a, a_low, a_high), (b, b_low, b_high), n in product(accuracy, loss, (1, 30, 1000)):
        fields = {
            "accuracy_difference": a,
            "accuracy_low": a_low,
            "accuracy_high": a_high,
            "calibrated_loss_difference": b,
            "calibrated_loss_low": b_low,
            "calibrated_loss_high": b_high,
            "n": n,
        }
        others = [f"parent_{letter}" for letter in "abc"[:parents]]
        yield [comparison(other, **fields) for other in others]
        yield [comparison(others[0], n=n), *(comparison(o, **fields) for o in others[1:])]


def verdicts() -> Iterator[str]:
    for words, unit, parents in product(WORDS.values(), UNITS, (2, 3)):
        further = {"parent_c": (0.88, 0.6)} if parents == 3 else {}
        for each in compared(parents):
            yield judge(contenders(**further), each, unit=unit, words=words).sentence
        yield judge(contenders(**further), [], unit=unit, words=words).sentence
        yield judge(contenders(**further), [], finite=False).sentence


def barriers() -> Iterator[str]:
    heights = (-1.0, -0.029, -0.0001, 0.0, 0.0001, 0.029, 2.0)
    for value, calibrated, error in product(heights, (*heights, None), (-0.02, 0.0, 0.02, None)):
        measured = curve(0.05).model_copy(
            update={
                "barrier": height(value),
                "calibrated_barrier": None if calibrated is None else height(calibrated),
                "error_barrier": None if error is None else height(error),
            }
        )
        for naive, matched in ((measured, None), (curve(2.0), measured), (measured, measured)):
            yield barrier_sentence(example(barrier=Barriers.of(naive=naive, matched=matched)))
    for value, n in product(heights, (1, 20)):
        few = curve(0.05).model_copy(update={"barrier": height(value, None), "n": n})
        yield barrier_sentence(example(barrier=Barriers.of(naive=few, matched=None)))
        yield barrier_claim("the bezier path", height(value, None), n, "images")
    for value, n in product((*heights, None), (30, 1000)):
        barrier = None if value is None else height(value)
        yield barrier_claim("the bezier path", barrier, n, "images")
    yield barrier_sentence(unmeasured())


def licences() -> Iterator[str]:
    names = ("mit", "apache-2.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "llama3", "other", "unknown", "x")
    parents = [ParentLicence(()), *(ParentLicence((name,)) for name in names)]
    parents.append(ParentLicence(("other",), license_name="my-own", gated=True))
    for a, b in product(parents, repeat=2):
        reason = merged_licence([a, b]).reason
        yield f"{reason[0].upper()}{reason[1:]}."


SENTENCES = {"verdicts": verdicts, "barriers": barriers, "licences": licences}


@pytest.mark.parametrize("kind", SENTENCES)
def test_no_sentence_is_odd(kind):
    found = sorted(set(SENTENCES[kind]()))
    assert len(found) > 20
    for each in found:
        assert not ODD.search(each), each
        assert each[0].isupper(), each
        assert each.endswith("."), each


def test_reports_of_merges_without_this_or_that_hold_no_odd_line():
    method = example().method
    for match, spaces, report in product(
        ("none", "weights", "alignment"), (0, 1, 3), (example(), unmeasured())
    ):
        few = [
            SpaceRecord(space="x", kind="permute", size=1, gain=None, correlation=None, moved=0)
        ] * spaces
        changed = report.model_copy(
            update={"method": method.model_copy(update={"match": match, "spaces": few})}
        )
        said = re.sub(r" {2,}", " ", render_text(changed))
        assert not ODD.search(said), said
        assert ("Not matched" in said) == (match == "none")


def test_what_lies_below_zero_is_said_to_be_lower():
    assert (
        excess("loss", height(-0.029)) == "loss lower throughout by at least 0.029 (0.024 to 0.034)"
    )
    assert excess("loss", height(0.052)) == "largest excess loss 0.052 (0.047 to 0.057)"
    assert excess("loss", height(-0.0001)).startswith("largest excess loss 0.000")


def test_one_row_is_singular():
    assert counted(1, "test images") == "1 test image"
    assert counted(1000, "test images") == "1,000 test images"


def test_a_verdict_agrees_with_the_figures_it_quotes():
    """A merge whose perplexity is certainly lower is never said to be just as good."""
    better = {
        "calibrated_loss_difference": -0.3,
        "calibrated_loss_low": -0.32,
        "calibrated_loss_high": -0.28,
    }
    parents = [comparison("parent_a", **better), comparison("parent_b", **better)]
    words = WORDS["text-generation"]
    found = judge(contenders(), parents, unit="blocks", words=words)
    assert found.name == "as good"
    assert (
        headline(found.sentence)
        == "As good as both parents, and certainly better in calibrated perplexity"
    )
