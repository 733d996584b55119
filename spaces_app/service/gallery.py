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
from spaces_app.service.visitors import Visitor

SHOWN = 60
"""Number of merges, the newest ones."""
TAG = "hubmerge"
WORD = 100
"""Most characters of a verdict or name."""
HIGHEST = 1e9
"""Largest absolute value that is taken from a card."""


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
        entries = (gallery_entry(_dict(each)) for each in islice(found, SHOWN))
        return [entry for entry in entries if entry.id]


def gallery_entry(said: Mapping[str, Any]) -> GalleryEntry:
    """One entry of the Hub's list. Malformed fields are left out."""
    card = _dict(said.get("cardData"))
    results = _results(card)
    return GalleryEntry(
        id=_text(said.get("id")) or "",
        parents=_texts(card.get("base_model"))[:MOST],
        data=next(iter(_texts(card.get("datasets"))), None),
        verdict=_text(card.get("verdict")),
        accuracy=_number(results.get("accuracy")),
        barrier=_number(results.get("loss_barrier")),
        rows=_count(results.get("rows")),
        updated=(_text(said.get("lastModified")) or "")[:10],
        private=said.get("private") is True,
    )


def _results(card: Mapping[str, Any]) -> dict[str, Any]:
    """Metric -> value, and the rows they were measured on, from the metadata's model-index."""
    found: dict[str, Any] = {}
    for model in _dicts(card.get("model-index")):
        for result in _dicts(model.get("results")):
            arguments = _dict(_dict(result.get("dataset")).get("args"))
            if "rows" in arguments:
                found["rows"] = arguments["rows"]
            for metric in _dicts(result.get("metrics")):
                found[str(metric.get("type"))] = metric.get("value")
    return found


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < HIGHEST else None


def _count(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 0 else None


def _texts(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(text for text in map(_text, listed) if text)


def _text(value: Any) -> str | None:
    """`value` if it is text, short, and as a page can hold it: lone surrogates cannot be sent."""
    return value[:WORD].encode(errors="replace").decode() if isinstance(value, str) else None
