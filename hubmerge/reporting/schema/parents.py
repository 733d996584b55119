"""The models that went into a merge."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hubmerge.reporting.schema.base import Count, ReportPart

PaperNumber = Annotated[str, Field(pattern=r"^\d{4}\.\d{4,5}$")]
CollectionSlug = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_-]{1,150}-[0-9a-f]{24}$")
]


class AdapterRecord(ReportPart):
    """An adapter that was added to a model before it was merged."""

    id: str
    sha: str
    revision: str | None
    kind: Literal["hub", "local", "memory"]


class ParentRecord(ReportPart):
    """One of the models that went in; of kind "stage" what an earlier stage made."""

    OF_MANY = ("adapters", "collections", "layers", "papers", "quantised")

    id: str
    """Repository id, or folder name of a local model; the name of a stage."""
    sha: str
    """The commit; "local-" and a hash of what was loaded for a folder; "" for a stage."""
    revision: str | None
    """The revision as asked for, if one was."""
    kind: Literal["hub", "local", "memory", "stage"]
    license: str | list[str] | None
    dtype: str
    parameters: Count
    papers: list[PaperNumber] | None = None
    """arXiv numbers of papers that its card links to."""
    collections: list[CollectionSlug] | None = None
    """Collections of the Hub, as OWNER/SLUG, that its card links to."""
    adapters: list[AdapterRecord] | None = None
    """What was added to it, in this order."""
    layers: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    """Number of the first of its layers that was taken, and of the first that was not; None where
    all were."""
    quantised: str | None = None
    """How its weights are stored, where they were dequantised for the merge: "fp8"."""

    @property
    def name(self) -> str:
        """What it is called, with its adapters and layers: "base+adapter[0:8]"."""
        part = "" if self.layers is None else f"[{self.layers[0]}:{self.layers[1]}]"
        return "+".join((self.id, *(each.id for each in self.adapters or ()))) + part
