"""What a report says of a fusion that chose: the record of a soup, the table of what was tried."""

from __future__ import annotations

from hubmerge.reporting.schema.base import ReportPart

FUSED = ("needs", "fuse_options", "ingredients", "soup", "fusions_tried", "part")
"""Fields of a method that are left out where there is nothing to say."""


class SoupStep(ReportPart):
    """An ingredient of a soup that was tried."""

    ingredient: str
    """Which parent: "parent_b"."""
    alone: float
    soup: float | None
    taken: bool
    """Whether it stayed in."""


class SoupRecord(ReportPart):
    """Which ingredient came in at which step, by which figure on validation rows."""

    metric: str
    """One of "accuracy", "robust-accuracy" and "loss", in nats."""
    steps: list[SoupStep]


class FusionTried(ReportPart):
    """A fusion that was tried, and what it made is worth on validation rows."""

    fuse: str
    needs: str
    loss: float | None
    """Mean cross-entropy in nats, after one temperature fitted on the same rows."""
    accuracy: float | None
    chosen: bool
