"""What the report says of the vocabulary of a merge."""

from __future__ import annotations

from hubmerge.preparation.vocabularies import VocabularyUsed
from hubmerge.reporting.schema.vocabulary import VocabularyOf, VocabularyRecord


def vocabulary_record(used: VocabularyUsed | None) -> VocabularyRecord | None:
    """The record; None where all parents have one vocabulary."""
    if used is None:
        return None
    return VocabularyRecord(
        tokenizer=used.tokenizer,
        owner=used.owner,
        tokens=used.tokens,
        rows=used.rows,
        models=[VocabularyOf(**vars(each)) for each in used.models],
        chat_template=used.template,
    )
