"""The whole is as good as its worst part, and only what was checked can hold."""

from __future__ import annotations

import json

import pytest

from hubmerge.errors import UncheckedError, VerificationError
from hubmerge.verification.result import Check, Outcome, Verification
from hubmerge.verification.text import render_text

GOOD = (Outcome.IDENTICAL, Outcome.EQUIVALENT)


def of(*outcomes: Outcome, **changes: object) -> Verification:
    checks = [
        Check(part="weights", what=f"w{number}", outcome=outcome, deviation=1e-6, tolerance=1e-3)
        for number, outcome in enumerate(outcomes)
    ]
    fields = {
        "merge": "me/merge",
        "sha": "a" * 40,
        "level": "remake",
        "weights_only": False,
        "checks": checks,
        "remarks": [],
        "published_with": {"torch": "1", "device": "cpu"},
        "remade_with": {"torch": "2", "device": "cpu"},
    }
    return Verification.model_validate(fields | changes)


@pytest.mark.parametrize("first", Outcome)
@pytest.mark.parametrize("second", Outcome)
def test_the_worst_counts(first: Outcome, second: Outcome) -> None:
    found = of(first, second)
    assert found.outcome in (first, second)
    assert json.loads(found.to_json())["outcome"] == found.outcome
    if Outcome.DOES_NOT_HOLD in (first, second):
        assert isinstance(found.error, VerificationError)
    elif Outcome.NOT_CHECKED in (first, second):
        assert isinstance(found.error, UncheckedError)
    else:
        assert found.require() is found
    reported = render_text(found)
    assert ("Holds:" in reported) == (first in GOOD and second in GOOD)


def test_what_does_not_hold_is_named() -> None:
    found = of(*[Outcome.DOES_NOT_HOLD] * 12, Outcome.IDENTICAL)
    with pytest.raises(VerificationError, match="me/merge") as error:
        found.require()
    assert "weights: w0" in str(error.value)
    assert "and 2 more" in str(error.value)
    assert "w12" not in str(error.value)


def test_the_text_says_what_differs_between_the_machines() -> None:
    assert "Published with torch 1 (here 2)." in render_text(of(Outcome.IDENTICAL))


def test_nothing_from_the_hub_controls_the_terminal() -> None:
    check = Check(
        part="card", what="a\x1b[2Jb", outcome=Outcome.DOES_NOT_HOLD, said="\r\nfine", found="\x07"
    )
    reported = render_text(of(checks=[check], remarks=["\x1b]0;x"]))
    assert not {"\x1b", "\r", "\x07"} & set(reported)
