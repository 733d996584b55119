"""The part of a report on the vocabulary of a merge whose parents' were brought together."""

from __future__ import annotations

from hubmerge.reporting.schema.base import Count, ReportPart


class VocabularyOf(ReportPart):
    """What one vocabulary means for one model."""

    model: str
    """"parent_a", ..., "base"."""
    tokens: Count
    """Of its own vocabulary."""
    lacking: Count
    """Tokens of the merge's for which it has no row: these are the others'."""
    dropped: Count
    """Tokens of its own that the merge does not have."""


class VocabularyRecord(ReportPart):
    """Whose tokens the merge has."""

    tokenizer: str
    """"union", "base", or a parent's letter."""
    owner: str
    """Whose numbers and special tokens they are, in words."""
    tokens: Count
    rows: Count
    """Of the tables, which may be larger."""
    models: list[VocabularyOf]
    chat_template: str | None
    """Whose it is, in words; None where there is none."""
