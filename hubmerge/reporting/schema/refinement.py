"""What a report says of refining: what it cost, what it brought, and whether it was kept."""

from __future__ import annotations

from hubmerge.reporting.schema.base import Count, ReportPart


class RefinedRecord(ReportPart):
    """What refining one network came to, on validation rows; null what was no number."""

    steps: Count
    """That were taken."""
    best_step: Count
    """The one that is best on validation rows; 0 is the start."""
    divergence_before: float | None
    """From the parents' mean prediction, softened, mean over validation rows, in nats."""
    divergence_after: float | None
    """The same at the best step."""
    loss_before: float | None
    """Mean loss on labelled validation rows in nats, after one temperature fitted on them."""
    loss_after: float | None
    kept: bool
    """Whether the refined network was taken: better on validation rows."""


class RefinementRecord(ReportPart):
    """How the merge was refined, and the parent it is compared with."""

    OF_MANY = ("parent", "refined_parent", "handed_out")

    refine: str
    steps: Count
    """At most, for each network."""
    merge: RefinedRecord
    parent: str | None = None
    """The parent that is better on validation rows: "parent_a"; None where nothing was compared."""
    refined_parent: RefinedRecord | None = None
    handed_out: bool | None = None
    """True where the refined parent is the result, being surely better on validation rows."""
