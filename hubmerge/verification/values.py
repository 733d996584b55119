"""Comparing what a report says with what was found again, figure by figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hubmerge.verification.result import Check, Outcome

SHARES = frozenset(
    {
        "accuracy",
        "accuracy_difference",
        "accuracy_low",
        "accuracy_high",
        "calibration_error",
        "vertices_ensemble",
        "drawn_ensemble",
    }
)
"""Figures that are shares of rows; all other numbers with a fraction are nats or their like."""
OF_ERRORS = "error_barrier"
"""The figures of this are shares, too."""

ROWS = 2
"""Rows that another machine's arithmetic may decide otherwise: those that lie on the boundary."""
SHARE = 1e-4
"""The same where there are many rows, as a share of them."""
RELATIVE = 1e-3
"""How far any other number may be off, in units of itself or of 1, whichever is larger."""

ROUNDED = 1e-5
"""The same of losses on weights that came out to the last bit: only one forward rounds then."""
BENT = "surveys"
"""The part in which weights are trained on the way to a loss."""

ALONE = "other figures came out to the last bit"
"""Why a figure that is nearly the one that was found does not hold."""
SAME_ANSWERS = "the loss of the same answers came out to the last bit"
"""Why a share of rows that is nearly the one that was found does not hold."""
TOO_FAR = "on weights that came out to the last bit rounding moves no loss so far"
UNMOVED = "weights that are off by some last places do not move it so far"
"""Why one does not that another machine is said to have found."""

NAMES = ("parent", "other", "space", "way")
"""Fields that name the entries of a list in a path."""


def tolerance(figure: str, value: float, rows: int) -> float:
    """How far a figure may be off on another machine, measured on `rows` rows.

    figure: its path in the report, or the end of it.
    """
    *_, of, name = ("", *figure.split("."))
    if name in SHARES or (of == OF_ERRORS and name != "at"):
        return max(ROWS / max(rows, 1), SHARE)
    return RELATIVE * max(abs(value), 1.0)


def compare(
    part: str, said: Any, found: Any, *, at: str = "", rows: int = 0, exact: bool = False
) -> Iterator[Check]:
    """One check for every leaf of two values of JSON.

    at: path of the leaves so far. rows: what shares are shares of, unless a field `n` says it.
    exact: whether numbers are settings, and no figures that another machine may find otherwise.
    """
    if isinstance(said, dict) and isinstance(found, dict):
        rows = said.get("n") or rows
        for name in sorted({*said, *found}):
            here = f"{at}.{name}" if at else name
            if name in said and name in found:
                yield from compare(part, said[name], found[name], at=here, rows=rows, exact=exact)
            else:
                yield _differs(part, here, said.get(name), found.get(name))
    elif isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        for number, (left, right) in enumerate(zip(said, found, strict=True)):
            here = f"{at}[{_name(left, number)}]"
            yield from compare(part, left, right, at=here, rows=rows, exact=exact)
    else:
        yield _leaf(part, at, said, found, rows, exact)


def settled(checks: Sequence[Check]) -> list[Check]:
    """The same checks; none is only equivalent where the arithmetic is evidently the same.

    Another machine computes no loss to the last bit as this one does. Where most of them came out
    so, a figure that did not was changed.
    """
    losses = [check for check in checks if _is_loss(check)]
    same = sum(check.outcome is Outcome.IDENTICAL for check in losses)
    if 2 * same < len(losses) or not losses:
        return list(checks)
    changed = {"outcome": Outcome.DOES_NOT_HOLD, "why": ALONE}
    return [
        check.model_copy(update=changed) if check.outcome is Outcome.EQUIVALENT else check
        for check in checks
    ]


def on_same_weights(checks: Sequence[Check]) -> list[Check]:
    """The same checks, of what another machine is said to have measured on the very same weights.

    Rounding moves a loss by little there, and no share of rows where it did not even move the
    loss of the same answers.
    """
    still = {
        check.what.rpartition(".")[0]
        for check in checks
        if check.outcome is Outcome.IDENTICAL and check.what.endswith(".loss") and _is_loss(check)
    }
    return [_on_same_weights(check, still) for check in checks]


def _on_same_weights(check: Check, still: set[str]) -> Check:
    if check.outcome is not Outcome.EQUIVALENT or check.part == BENT:
        return check
    of, _, name = check.what.rpartition(".")
    if name in SHARES and of in still:
        return check.model_copy(update=_refused(0.0, SAME_ANSWERS))
    allowed = ROUNDED * max(abs(check.said), 1.0)
    if _is_loss(check) and not (check.deviation or 0.0) <= allowed:
        return check.model_copy(update=_refused(allowed, TOO_FAR))
    return check


def within(checks: Sequence[Check], allowed: Mapping[str, float]) -> list[Check]:
    """The same checks, where less is allowed by what the last places of the weights were seen to
    do. allowed: path of a figure -> the most it may be off.
    """
    return [
        check.model_copy(update=_refused(allowed[check.what], UNMOVED))
        if check.outcome is Outcome.EQUIVALENT
        and check.what in allowed
        and not (check.deviation or 0.0) <= allowed[check.what]
        else check
        for check in checks
    ]


def _refused(allowed: float, why: str) -> dict[str, Any]:
    return {"outcome": Outcome.DOES_NOT_HOLD, "tolerance": allowed, "why": why}


def _is_loss(check: Check) -> bool:
    """Whether both sides are a loss in nats, of any row."""
    both = isinstance(check.said, float) and isinstance(check.found, float)
    return both and "loss" in check.what.rpartition(".")[2]


def _leaf(part: str, what: str, said: Any, found: Any, rows: int, exact: bool) -> Check:
    if type(said) is type(found) and said == found:
        return Check(part=part, what=what, outcome=Outcome.IDENTICAL, said=said, found=found)
    if exact or not (isinstance(said, float) and isinstance(found, float)):
        return _differs(part, what, said, found)
    deviation = abs(said - found)
    allowed = tolerance(what, said, rows)
    return Check(
        part=part,
        what=what,
        outcome=Outcome.EQUIVALENT if deviation <= allowed else Outcome.DOES_NOT_HOLD,
        said=said,
        found=found,
        deviation=deviation,
        tolerance=allowed,
    )


def _differs(part: str, what: str, said: Any, found: Any) -> Check:
    return Check(part=part, what=what, outcome=Outcome.DOES_NOT_HOLD, said=said, found=found)


def _name(entry: Any, number: int) -> str:
    if not isinstance(entry, dict):
        return str(number)
    if "lam" in entry:
        return f"lam={entry['lam']}"
    return " ".join(str(entry[field]) for field in NAMES if field in entry) or str(number)
