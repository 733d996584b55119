"""Light questions to the Hub, asked in somebody's name: search, and who am I."""

from __future__ import annotations

from hubmerge.hub.client import acting_for, client, translate
from hubmerge.hub.source import RepoType
from spaces_app.service.job import Refused, refusing
from spaces_app.service.visitors import Person

SHOWN = 12
"""Names a search offers."""


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
