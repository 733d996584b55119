"""Short queries to the Hub with a visitor's token: search, and the name of an account."""

from __future__ import annotations

from hubmerge.hub.client import acting_for, client, translate
from hubmerge.hub.source import RepoType
from spaces_app.service.job import Refused, refusing
from spaces_app.service.visitors import Visitor

SHOWN = 12
"""Most results of a search."""


def search(visitor: Visitor, typed: str, kind: RepoType = "model") -> list[str]:
    """Ids on the Hub that contain `typed`; none if the Hub does not answer."""
    typed = typed.strip()[:100]
    try:
        with refusing(), acting_for(visitor.token), translate(typed or "the Hub", kind):
            words = typed or None
            if kind == "dataset":
                return [each.id for each in client().list_datasets(search=words, limit=SHOWN)]
            return [each.id for each in client().list_models(search=words, limit=SHOWN)]
    except Refused:
        return []


def account(token: str) -> str:
    """Name of the account of `token`. Raises: Refused."""
    with refusing(), acting_for(token), translate("your account"):
        return str(client().whoami()["name"])
