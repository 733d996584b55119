"""Merges on the connected Hub, read from the metadata of their cards.

The Hub's answer is parsed here and not by its client, which would fail on one malformed card.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from huggingface_hub.utils import build_hf_headers, paginate

from hubmerge.hub.client import acting_for, client, translate
from hubmerge.utils.parent_names import MOST
from spaces_app.service.job import refusing
from spaces_app.service.untrusted_json import mapping, mappings, number, whole, word, words
from spaces_app.service.verified import Gain, Verified, VerifiedStore
from spaces_app.service.visitors import Visitor

VERIFIED, FALSE, UNVERIFIED = "verified", "does not hold", "not verified"

LISTED = 300
"""Number of merges that are asked for, the newest ones."""
TAG = "hubmerge"


@dataclass(frozen=True, kw_only=True)
class GalleryEntry:
    """A merge on the Hub, by its card's metadata. private: visible to the visitor only.

    sha: its newest commit. proof: what this app found when it verified that commit.
    """

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
    sha: str | None = None
    proof: Verified | None = None

    @property
    def verified(self) -> str:
        """Whether this app verified it, in words."""
        if self.proof is None:
            return UNVERIFIED
        if self.proof.false:
            return FALSE
        return UNVERIFIED if self.proof.level is None else VERIFIED


def gallery(visitor: Visitor) -> list[GalleryEntry]:
    """Merges published by hubmerge, the newest first. Raises: Refused."""
    asked = {
        "filter": TAG,
        "sort": "lastModified",
        "limit": LISTED,
        "expand": ["cardData", "config", "lastModified", "pipeline_tag", "private", "sha"],
    }
    with refusing(), acting_for(visitor.token), translate("the gallery"):
        api = client()
        headers = build_hf_headers(token=api.token)
        found = paginate(f"{api.endpoint}/api/models", params=asked, headers=headers)
        entries = (gallery_entry(mapping(each)) for each in islice(found, LISTED))
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
        sha=word(said.get("sha")),
    )


def with_proofs(entries: Sequence[GalleryEntry], store: VerifiedStore) -> list[GalleryEntry]:
    """The entries with what this app found of their newest commits."""
    return [
        replace(each, proof=store.get(each.id, each.sha)) if each.sha else each for each in entries
    ]


def leaderboards(
    entries: Sequence[GalleryEntry], least_rows: int
) -> dict[tuple[str, str], list[tuple[GalleryEntry, Gain]]]:
    """(task, data set) -> its verified merges on so many rows, as they stand on a leaderboard.

    Those that were made again come first: of one whose weights alone were measured, what is said of
    the parents is the publisher's. Then the highest lower bound of the gain over the better parent.
    """
    found: dict[tuple[str, str], list[tuple[GalleryEntry, Gain]]] = {}
    for each in entries:
        gain = each.proof.gain if each.proof and each.proof.ranks(least_rows) else None
        if gain is not None:
            found.setdefault((gain.task, gain.dataset), []).append((each, gain))
    for ranked in found.values():
        ranked.sort(key=_rank)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def _rank(ranked: tuple[GalleryEntry, Gain]) -> tuple[bool, float, str]:
    entry, gain = ranked
    remade = entry.proof is not None and entry.proof.level == "remake"
    return not remade, -gain.low, entry.id


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
