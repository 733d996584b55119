"""Pull requests of one's own, found again by their title: so that none is opened twice."""

from __future__ import annotations

from dataclasses import dataclass

from hubmerge.hub.client import ask, client
from hubmerge.hub.target import RemoteRepo, look_at


@dataclass(frozen=True)
class Proposal:
    """An open pull request of this caller's."""

    number: int
    url: str
    ref: str
    """Its branch, such as "refs/pr/3"."""
    repo: RemoteRepo
    """What stands there."""


def own_proposals(repo_id: str, title: str) -> list[Proposal]:
    """This caller's open pull requests of that title in `repo_id`, the oldest first.

    Raises: AccessError, NotFoundError, HubUnavailableError.
    """

    def look() -> list[tuple[int, str, str]]:
        discussions = client().get_repo_discussions(
            repo_id,
            author=client().whoami()["name"],
            discussion_type="pull_request",
            discussion_status="open",
        )
        return sorted((each.num, each.url, each.title) for each in discussions)

    found = []
    for number, url, named in ask(look, repo_id):
        ref = f"refs/pr/{number}"
        repo = look_at(repo_id, ref) if named == title else None
        if repo is not None and repo.has_branch:
            found.append(Proposal(number, url, ref, repo))
    return found


def withdraw(repo_id: str, proposal: Proposal, remark: str) -> None:
    """Closes a pull request of one's own, saying why; one that is closed already is left alone.

    Raises: AccessError, NotFoundError, HubUnavailableError.
    """

    def close() -> None:
        found = client().get_discussion_details(repo_id, proposal.number)
        if found.status in ("open", "draft"):
            client().change_discussion_status(repo_id, proposal.number, "closed", comment=remark)

    ask(close, repo_id)
