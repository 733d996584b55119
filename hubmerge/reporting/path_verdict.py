"""Whether a path has a barrier: by a written rule, as the verdict on a merge is.

The barrier is the largest calibrated excess over the untouched models' own losses, with paired
one-sided 95% bounds.

no barrier    the upper bound lies below 0.01 nats
a barrier     the lower bound lies above 0
cannot tell   otherwise: an interval that merely contains 0 proves nothing; and always of fewer than
              30 rows, which have no interval
"""

from __future__ import annotations

from hubmerge.evaluation.results import Barrier
from hubmerge.reporting.numbers import counted, excess, too_few
from hubmerge.reporting.schema.survey_results import Settled
from hubmerge.tasks import DEFAULT_TOLERANCES, Tolerances


def settle(barrier: Barrier | None, tolerances: Tolerances = DEFAULT_TOLERANCES) -> Settled:
    """The rule above; without temperatures, or without an interval, it cannot be decided."""
    if barrier is None or barrier.low is None or barrier.high is None:
        return "cannot tell"
    if barrier.high < tolerances.loss:
        return "no barrier"
    return "a barrier" if barrier.low > 0 else "cannot tell"


def barrier_claim(what: str, barrier: Barrier | None, n: int, unit: str) -> str:
    """The rule's outcome for `what`, as a sentence with its figures."""
    rows = f"on {counted(n, f'test {unit}')}"
    if barrier is None:
        return f"Cannot tell whether {what} has a barrier: no rows to calibrate on."
    figures = f"{excess('calibrated loss', barrier)} nats {rows}"
    match settle(barrier):
        case "no barrier":
            return f"No barrier along {what}: {figures}."
        case "a barrier":
            return f"A barrier along {what}: {figures}."
        case "cannot tell":
            few = too_few(barrier, n, unit)
            return f"Cannot tell whether {what} has a barrier: {figures}.{few}"
