"""Light questions to the Hub, asked in somebody's name: search, who am I, the gallery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hubmerge.hub.client import acting_for, client, translate
from hubmerge.hub.source import RepoType
from spaces_app.service.job import Refused, refusing
from spaces_app.service.person import Person

SHOWN = 12
"""Names a search offers."""
GALLERY = 60
TAG = "hubmerge"


def search(person: Person, typed: str, kind: RepoType = "model") -> list[str]:
    """Names on the Hub that hold what was typed; none where the Hub does not answer."""
    typed = typed.strip()[:100]
    try:
        with refusing(), acting_for(person.token), translate(typed or "the Hub", kind):
            words = typed or None
            if kind == "dataset":
                return [each.id for each in client().list_datasets(search=words, limit=SHOWN)]
            return [each.id for each in client().list_models(search=words, limit=SHOWN)]
    except Refused:
        return []


def account(token: str) -> str:
    """Whose token it is. Raises: Refused."""
    with refusing(), acting_for(token), translate("your account"):
        return str(client().whoami()["name"])


@dataclass(frozen=True)
class Exhibit:
    """A merge on the Hub, by its card's metadata."""

    id: str
    parents: tuple[str, ...]
    verdict: str | None
    accuracy: float | None
    barrier: float | None
    rows: int | None
    updated: str


def gallery(person: Person) -> list[Exhibit]:
    """Merges published by hubmerge, the newest first. Raises: Refused."""
    with refusing(), acting_for(person.token), translate("the gallery"):
        found = client().list_models(
            filter=TAG, sort="last_modified", limit=GALLERY, expand=["cardData", "lastModified"]
        )
        return [_exhibit(each) for each in found]


def _exhibit(info: Any) -> Exhibit:
    card = info.card_data.to_dict() if info.card_data else {}
    results = _results(card)
    parents = card.get("base_model") or []
    return Exhibit(
        info.id,
        tuple(str(name) for name in (parents if isinstance(parents, list) else [parents])),
        _text(card.get("verdict")),
        _number(results.get("accuracy")),
        _number(results.get("loss_barrier")),
        results.get("rows"),
        str(info.last_modified or "")[:10],
    )


def _results(card: dict[str, Any]) -> dict[str, Any]:
    """Metric -> value, from the metadata's model-index, whoever wrote it."""
    found: dict[str, Any] = {}
    for model in _dicts(card.get("model-index")):
        for result in _dicts(model.get("results")):
            arguments = result.get("dataset", {}).get("args", {})
            rows = arguments.get("rows") if isinstance(arguments, dict) else None
            if isinstance(rows, int):
                found["rows"] = rows
            for metric in _dicts(result.get("metrics")):
                found[str(metric.get("type"))] = metric.get("value")
    return found


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _text(value: Any) -> str | None:
    return value[:60] if isinstance(value, str) else None
