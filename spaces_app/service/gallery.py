"""Merges on the connected Hub, read from the metadata of their cards.

The Hub's answer is parsed here and not by its client, which would fail on one malformed card.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from huggingface_hub.utils import build_hf_headers, paginate

from hubmerge.hub.client import acting_for, client, translate
from hubmerge.utils.parent_names import MOST
from spaces_app.service.job import refusing
from spaces_app.service.untrusted_json import mapping, mappings, number, whole, word, words
from spaces_app.service.visitors import Visitor

SHOWN = 60
"""Number of merges, the newest ones."""
TAG = "hubmerge"


@dataclass(frozen=True, kw_only=True)
class GalleryEntry:
    """A merge on the Hub, by its card's metadata. private: visible to the visitor only."""

    id: str
    parents: tuple[str, ...]
    data: str | None
    verdict: str | None
    accuracy: float | None
    barrier: float | None
    rows: int | None
    updated: str
    private: bool = False
    task: str | None = None
    family: str | None = None


def gallery(visitor: Visitor) -> list[GalleryEntry]:
    """Merges published by hubmerge, the newest first. Raises: Refused."""
    asked = {
        "filter": TAG,
        "sort": "lastModified",
        "limit": SHOWN,
        "expand": ["cardData", "config", "lastModified", "pipeline_tag", "private"],
    }
    with refusing(), acting_for(visitor.token), translate("the gallery"):
        api = client()
        headers = build_hf_headers(token=api.token)
        found = paginate(f"{api.endpoint}/api/models", params=asked, headers=headers)
        entries = (gallery_entry(mapping(each)) for each in islice(found, SHOWN))
        return [entry for entry in entries if entry.id]


def gallery_entry(said: Mapping[str, Any]) -> GalleryEntry:
    """One entry of the Hub's list. Malformed fields are left out."""
    card = mapping(said.get("cardData"))
    results = _results(card)
    return GalleryEntry(
        id=word(said.get("id")) or "",
        parents=words(card.get("base_model"))[:MOST],
        data=next(iter(words(card.get("datasets"))), None),
        verdict=word(card.get("verdict")),
        accuracy=number(results.get("accuracy")),
        barrier=number(results.get("loss_barrier")),
        rows=whole(results.get("rows")),
        updated=(word(said.get("lastModified")) or "")[:10],
        private=said.get("private") is True,
        task=word(said.get("pipeline_tag")),
        family=word(mapping(said.get("config")).get("model_type")),
    )


def chosen(entries: Sequence[GalleryEntry], order: str, **wanted: str | None) -> list[GalleryEntry]:
    """Entries that agree with what is wanted, in an order of `ORDERS`.

    wanted: field -> value; None leaves the field open. What does not say its figure comes last.
    """
    kept = [
        entry
        for entry in entries
        if all(value is None or getattr(entry, field) == value for field, value in wanted.items())
    ]
    return sorted(kept, key=ORDERS[order])


def _descending(value: float | None) -> float:
    return math.inf if value is None or math.isnan(value) else -value


ORDERS: Mapping[str, Callable[[GalleryEntry], Any]] = {
    "newest": lambda entry: [-ord(mark) for mark in entry.updated],
    "highest accuracy": lambda entry: _descending(entry.accuracy),
    "lowest barrier": lambda entry: math.inf if entry.barrier is None else entry.barrier,
    "most rows": lambda entry: _descending(entry.rows),
}
"""Name of an order -> what entries are sorted by."""


def _results(card: Mapping[str, Any]) -> dict[str, Any]:
    """Metric -> value, and the rows they were measured on, from the metadata's model-index."""
    found: dict[str, Any] = {}
    for model in mappings(card.get("model-index")):
        for result in mappings(model.get("results")):
            arguments = mapping(mapping(result.get("dataset")).get("args"))
            if "rows" in arguments:
                found["rows"] = arguments["rows"]
            for metric in mappings(result.get("metrics")):
                found[str(metric.get("type"))] = metric.get("value")
    return found
