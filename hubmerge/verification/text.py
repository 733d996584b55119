"""A verification as a terminal shows it: the answer, a line per part, then what is not as said."""

from __future__ import annotations

from typing import Any

from hubmerge.errors.wording import PYTHON, Wording, action, render
from hubmerge.reporting.escape import one_line
from hubmerge.utils.tables import columns
from hubmerge.verification.result import Check, Outcome, Verification, worst

SHOWN = 25
"""Checks of one kind that are listed; the others are counted."""
WIDE = 200
"""Characters of a value that are shown."""
ANSWERS = {
    Outcome.IDENTICAL: "Holds: everything came out identical.",
    Outcome.EQUIVALENT: "Holds: what is not identical is within the tolerance for another "
    "machine's arithmetic.",
    Outcome.NOT_CHECKED: "Not settled: nothing is wrong, but not everything could be checked.",
    Outcome.DOES_NOT_HOLD: "Does not hold.",
}


ONLY_LOADED = "Only what is loaded and what is said of it: nothing was measured or made again."


def render_text(verification: Verification, wording: Wording = PYTHON) -> str:
    """The outcome in words; everything that is not identical or equivalent by its name."""
    blocks = [
        f"{one_line(verification.merge)} at {verification.sha[:18]}",
        _answer(verification),
        _parts(verification),
        _listed("Does not hold", verification.of(Outcome.DOES_NOT_HOLD), wording),
        _listed("Not checked", verification.of(Outcome.NOT_CHECKED), wording),
        "\n".join(f"note: {one_line(remark)}" for remark in verification.remarks),
        _machines(verification),
    ]
    return "\n\n".join(block for block in blocks if block)


def _answer(verification: Verification) -> str:
    answer = ANSWERS[verification.outcome]
    if verification.level == "load":
        return f"{answer} {ONLY_LOADED}"
    if verification.level == "measure":
        return f"{answer} It was not made again."
    if verification.weights_only:
        return f"{answer} Weights only: no figure was measured again."
    return answer


def _parts(verification: Verification) -> str:
    """Of every part its worst outcome, how much was checked, and how far it is off."""
    parts: dict[str, list[Check]] = {}
    for check in verification.checks:
        parts.setdefault(check.part, []).append(check)
    return columns(
        (part, worst([check.outcome for check in checks]).value, _extent(checks))
        for part, checks in parts.items()
    )


def _extent(checks: list[Check]) -> str:
    count = f"{len(checks):,} checked" if len(checks) > 1 else "1 checked"
    off = [check for check in checks if check.outcome is Outcome.EQUIVALENT]
    if not off:
        return count
    farthest = max(off, key=lambda check: (check.deviation or 0) / (check.tolerance or 1))
    return (
        f"{count}, {len(off):,} not to the last bit: {one_line(farthest.what)}{_off_by(farthest)}"
    )


def _listed(title: str, checks: list[Check], wording: Wording) -> str:
    if not checks:
        return ""
    lines = [f"- {one_line(f'{check.part}: {check.what}')}{_told(check)}" for check in checks]
    if len(lines) > SHOWN:
        lines[SHOWN:] = [
            f"- and {len(lines) - SHOWN:,} more: {render(action('show all'), wording)}"
        ]
    return "\n".join([title, *lines])


def _told(check: Check) -> str:
    details = []
    if check.said is not None or check.found is not None:
        details.append(f"said {_value(check.said)}, found {_value(check.found)}")
    if check.deviation is not None:
        details.append(f"off{_off_by(check)}")
    if check.why:
        details.append(one_line(check.why))
    return f" ({'; '.join(details)})" if details else ""


def _off_by(check: Check) -> str:
    """How far it is off, if that is a number."""
    if check.deviation is None or check.tolerance is None:
        return ""
    unit = " last places" if check.part in ("weights", "alignment") else ""
    return f" by {check.deviation:.2g}{unit}, {check.tolerance:.2g} allowed"


def _value(value: Any) -> str:
    return "nothing" if value is None else one_line(str(value))[:WIDE]


def _machines(verification: Verification) -> str:
    """Where the machines differ, if they do."""
    then, now = verification.published_with, verification.remade_with
    if now is None:
        return "" if verification.level != "remake" else "Nothing was made again."
    differ = [
        one_line(f"{name} {then.get(name, 'none')} (here {now.get(name, 'none')})")
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]
    return f"Published with {', '.join(differ)}." if differ else "Same versions as published with."
