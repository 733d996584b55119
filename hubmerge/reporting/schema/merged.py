"""The model that came out of a merge, and what became of every tensor."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hubmerge.reporting.schema.base import Count, ReportPart
from hubmerge.reporting.schema.vocabulary import VocabularyRecord

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]


class TensorRecord(ReportPart):
    """What became of every tensor; none is left out.

    Names that differ in one number are one: "h.{0-11}.mlp.weight".
    """

    count: Count
    """How many there are."""
    merged: list[str]
    """Made of the parents'."""
    kept: list[str]
    """Parent A's, as they are: whole numbers, what was not to be merged, what the fusion left, and
    what is stored beside the model's own."""
    left: Count = 0
    """How many of these the fusion left as parent A has them, whatever the others have."""
    rebuilt: list[str]
    """Made by the class when it is loaded: other names of a tied tensor, and tables that it
    computes."""


class MergedRecord(ReportPart):
    """The model that came out, as it was reloaded from disk."""

    OF_MANY = ("measure", "library", "tensors", "vocabulary")

    model_type: str
    architecture: Identifier
    task: str | None
    """The registered task that accepts it; None where nothing measures such a model."""
    measure: str | None = None
    """What its outputs mean, where its task knows several things: "classes", "label sets",
    "numbers"."""
    auto_class: Identifier | None
    """The auto class of transformers that loads it, such as "AutoModelForImageClassification"; None
    if there is none, so that the architecture itself does."""
    auto_processor: Identifier | None
    """The transformers class that loads its processor; None if it has none."""
    pipeline_tag: str | None
    """None where neither a task nor transformers says one."""
    library: str | None = None
    """What else than transformers it is made for: "sentence-transformers"."""
    dtype: str
    parameters: Count
    labels: list[str]
    """Label names in the order of the outputs."""
    tensors: TensorRecord | None = None
    """What became of each; None in reports of earlier versions."""
    vocabulary: VocabularyRecord | None = None
    """Whose tokens it has; None where all parents have the same."""
