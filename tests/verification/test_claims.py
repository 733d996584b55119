"""A card that says what its report says, and one that does not."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import hubmerge
from hubmerge.reporting.card import render_card
from hubmerge.reporting.pictures import pictures
from hubmerge.reporting.schema.report import Report
from hubmerge.verification.claims import check_card, check_pictures, check_verdict
from hubmerge.verification.result import Check, Outcome
from tests.helpers.example_report import example, of_other_labels, of_three, surveyed, unmeasured


def by_this_version(report: Report) -> Report:
    run = report.run.model_copy(update={"versions": {"hubmerge": hubmerge.__version__}})
    return report.model_copy(update={"run": run})


REPORTS = {
    name: by_this_version(report)
    for name, report in (
        ("two", example()),
        ("three", of_three()),
        ("surveyed", surveyed()),
        ("unmeasured", unmeasured()),
        ("other labels", of_other_labels()),
    )
}


BOMB = "---\na: &a [x, x]\nb: &b [*a, *a]\nlicense: [*b, *b]\n---\n"
ODD = "---\nlicense: !!binary gIGC\ntags: {2001-02-03: .nan, 7: [~]}\nmodel-index: [1]\n---\n"


def wrong(checks: list[Check]) -> list[str]:
    return [check.what for check in checks if check.outcome is not Outcome.IDENTICAL]


@pytest.mark.parametrize("repo", [None, "org/merge"])
@pytest.mark.parametrize("name", REPORTS)
def test_a_card_made_from_the_report_says_what_it_says(name: str, repo: str | None) -> None:
    report = REPORTS[name]
    checks, remarks = check_card(render_card(report, repo), report)
    assert checks
    assert wrong(checks) == []
    assert remarks == []
    assert wrong(check_verdict(report)) == []
    assert wrong(check_pictures(pictures(report), report)[0]) == []


@pytest.mark.parametrize(
    ("old", "new"), [("0.893", "0.999"), ("As good as both", "Better than both"), ("ccc", "cdc")]
)
def test_a_line_that_was_changed_is_quoted(old: str, new: str) -> None:
    report = REPORTS["two"]
    head, fence, body = render_card(report).rpartition("\n---\n")
    checks, remarks = check_card(head + fence + body.replace(old, new), report)
    found = [check.found for check in checks if check.outcome is Outcome.DOES_NOT_HOLD]
    assert found
    assert all(old in line for line in found)
    assert remarks


def test_metadata_that_were_changed_are_named() -> None:
    report = REPORTS["two"]
    card = render_card(report).replace("license: apache-2.0", "license: mit")
    assert wrong(check_card(card, report)[0]) == ["license"]


def test_text_added_to_a_card_is_a_remark() -> None:
    report = REPORTS["two"]
    card = render_card(report).replace("\n---\n", "\nnew_version: org/other\n---\n", 1)
    checks, remarks = check_card(card + "\nMany thanks to everybody.\n", report)
    assert wrong(checks) == []
    assert remarks == ["README.md has a line of which the report says nothing"]


@pytest.mark.parametrize(
    "card",
    [
        "",
        "---\n",
        "---\n[\n---\n",
        "---\n- 1\n---\n",
        "# A card",
        "---\na: 1\n---\n\n# B",
        BOMB,
        ODD,
    ],
)
def test_no_card_or_another_does_not_hold(card: str) -> None:
    checks, _ = check_card(card, REPORTS["two"])
    assert Outcome.DOES_NOT_HOLD in {check.outcome for check in checks}
    assert all(json.loads(check.model_dump_json()) for check in checks)


def test_a_verdict_follows_from_the_figures() -> None:
    report = REPORTS["two"]
    better = report.model_copy(update={"verdict": "better than both parents"})
    assert wrong(check_verdict(better)) == ["by the rule.verdict"]
    lied = report.model_copy(update={"verdict_sentence": "As good as it gets."})
    assert wrong(check_verdict(lied)) == ["by the rule.verdict_sentence"]


def test_a_card_of_another_version_is_not_settled_rather_than_wrong() -> None:
    report = example()
    assert report.run.versions["hubmerge"] != hubmerge.__version__
    checks, _ = check_card(render_card(report).replace("0.893", "0.999"), report)
    bad = {check.outcome for check in checks} - {Outcome.IDENTICAL}
    assert bad == {Outcome.NOT_CHECKED}


def test_a_picture_that_lacks_is_wrong_and_so_is_one_of_nothing() -> None:
    report = REPORTS["two"]
    none = {**pictures(report), "barrier.png": b"another"}
    assert wrong(check_pictures(none, report)[0]) == ["barrier.png"]
    assert wrong(check_pictures({}, report)[0]) == ["badge.svg", "barrier.png"]
    unmeasured = {**pictures(REPORTS["unmeasured"]), "barrier.png": b"another"}
    assert wrong(check_pictures(unmeasured, REPORTS["unmeasured"])[0]) == ["barrier.png"]


def flatter(report: Report) -> Report:
    """The same with half of the barrier without matching."""
    points = [
        point.model_copy(update={"loss": point.loss - point.excess / 2})
        for point in report.barrier.detail.naive.points
    ]
    curve = report.barrier.detail.naive.model_copy(update={"points": points})
    detail = report.barrier.detail.model_copy(update={"naive": curve})
    return report.model_copy(
        update={"barrier": report.barrier.model_copy(update={"detail": detail})}
    )


def drawn_by(drawer: str | None, content: bytes) -> bytes:
    """The same pixels, by another program."""
    said = PngInfo()
    if drawer is not None:
        said.add_text("Software", drawer)
    target = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        image.save(target, format="PNG", pnginfo=said)
    return target.getvalue()


def moved(content: bytes, by: int) -> bytes:
    """Everything that was drawn some pixels further right and down."""
    target = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        there = Image.new("RGBA", image.size)
        there.paste(image, (by, by))
        there.save(target, format="PNG")
    return target.getvalue()


@pytest.mark.parametrize("drawer", [None, "Matplotlib version3.8.0, https://matplotlib.org/"])
def test_a_picture_of_another_curve_does_not_hold_whoever_says_to_have_drawn_it(
    drawer: str | None,
) -> None:
    report = REPORTS["two"]
    ours, other = pictures(report), pictures(flatter(report))["barrier.png"]
    for lied in (other, drawn_by(drawer, other)):
        assert wrong(check_pictures({**ours, "barrier.png": lied}, report)[0]) == ["barrier.png"]


def test_a_picture_drawn_a_little_otherwise_is_a_remark() -> None:
    report = REPORTS["two"]
    ours = pictures(report)
    for drawn in (drawn_by(None, ours["barrier.png"]), moved(ours["barrier.png"], 3)):
        checks, remarks = check_pictures({**ours, "barrier.png": drawn}, report)
        assert [check.what for check in checks] == ["badge.svg"]
        assert "barrier.png" in remarks[0]


def test_the_same_pixels_in_other_bytes_are_the_same_picture() -> None:
    report = REPORTS["two"]
    ours = pictures(report)
    with Image.open(io.BytesIO(ours["barrier.png"])) as image:
        drawer = image.info["Software"]
    again = drawn_by(drawer, ours["barrier.png"])
    assert again != ours["barrier.png"]
    assert wrong(check_pictures({**ours, "barrier.png": again}, report)[0]) == []


def test_a_badge_that_says_another_verdict_does_not_hold() -> None:
    report = REPORTS["two"]
    lied = report.model_copy(update={"verdict_sentence": "Better than both parents: it is."})
    found = pictures(report) | {"badge.svg": pictures(lied)["badge.svg"]}
    assert wrong(check_pictures(found, report)[0]) == ["badge.svg"]
