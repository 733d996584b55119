"""The part of a report on a merge of parents with different label sets."""

from __future__ import annotations

from typing import Literal

from hubmerge.reporting.schema.base import ReportPart


class Known(ReportPart):
    """One parent's labels: their rows, and nothing else to choose among."""

    parent: str
    """Whose: "parent_b"."""
    labels: int
    rows: int
    accuracy: dict[str, float]
    """Of the parent itself, "naive" and "merge"; empty if there are no rows."""
    loss: dict[str, float | None]


class HeadsRecord(ReportPart):
    """The joint head of parents with different labels, and what contenders were measured on."""

    kind: Literal["join", "concat"]
    """One output per label, or all outputs of all parents."""
    labels: int
    """All labels, each once: contenders are measured on these."""
    outputs: int
    """Of the merge: more than labels where parents that share some were kept apart."""
    shared: int
    """Labels that more than one parent knows."""
    known_by: list[int]
    """Labels that each parent knows."""
    known: list[Known]
    """For every parent; empty if nothing was measured."""
