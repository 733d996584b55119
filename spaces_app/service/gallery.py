"""Merges on the connected Hub, read from the metadata of their cards.

The Hub's answer is parsed here and not by its client, which would fail on one malformed card.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def gallery(visitor: Visitor) -> list[GalleryEntry]:
    """Merges published by hubmerge, the newest first. Raises: Refused."""
    asked = {
        "filter": TAG,
        "sort": "lastModified",
        "limit": SHOWN,
        "expand": ["cardData", "lastModified", "private"],
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
    )


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
