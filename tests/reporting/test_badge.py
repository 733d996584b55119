"""The badge: the verdict of a report, as a picture made of text."""

from __future__ import annotations

from xml.etree import ElementTree

from hubmerge.reporting.badge import badge_line, render_badge
from tests.helpers.example_report import example

SVG = "{http://www.w3.org/2000/svg}"


def test_it_says_the_verdict_and_nothing_of_a_publisher_breaks_it() -> None:
    said = 'Worse than "<b>&parent" by 0.1'
    root = ElementTree.fromstring(render_badge(example(verdict_sentence=f"{said}: on 100 rows.")))
    assert root.tag == f"{SVG}svg"
    assert [each.text for each in root.iter(f"{SVG}text")] == ["hubmerge", said]
    assert root.attrib["aria-label"] == f"hubmerge: {said}"


def test_good_and_bad_verdicts_differ_in_colour() -> None:
    colours = {
        ElementTree.fromstring(render_badge(example(verdict=verdict)))
        .find(f"{SVG}rect")
        .attrib["fill"]
        for verdict in ("as good", "worse", "cannot tell")
    }
    assert len(colours) == 3


def test_the_line_for_a_readme_leads_to_the_repository() -> None:
    address = "https://huggingface.co/me/both"
    line = badge_line(example(verdict_sentence="As good as both parents: by figures."), address)
    picture = f"{address}/resolve/main/badge.svg"
    assert line == f"[![hubmerge: As good as both parents]({picture})]({address})"
