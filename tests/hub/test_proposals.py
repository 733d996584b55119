"""A pull request is opened once, found again, completed, and never taken for another one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from hubmerge.errors import NotFoundError
from hubmerge.hub.load import load
from hubmerge.hub.publish import Published, publish
from hubmerge.hub.target import look_at
from hubmerge.localhub import EmbeddedHub
from tests.helpers.small_models import push, save, tiny_vit


def test_a_pull_request_leaves_main_alone(hub: EmbeddedHub, result: Path, tmp_path: Path) -> None:
    repo = push(hub, "other/proposed", save(tmp_path / "old", tiny_vit(seed=1)))
    before = look_at(repo)
    done = publish(result, repo, private=False, create_pr=True)
    assert done.pr_url is not None
    assert done.pr_url.startswith(hub.url)
    assert look_at(repo) == before
    assert load(f"{repo}@refs/pr/1").source.sha == done.commit


def test_a_pull_request_creates_no_repository(hub: EmbeddedHub, result: Path) -> None:
    with pytest.raises(NotFoundError, match="pull request"):
        publish(result, "me/not-there", private=True, create_pr=True)
    assert look_at("me/not-there") is None


def proposals(hub: EmbeddedHub, repo: str, status: str = "open") -> list[str]:
    """Titles of the pull requests."""
    found = hub.api().get_repo_discussions(repo, discussion_status=status)
    return [each.title for each in found if each.is_pull_request]


def test_the_same_is_proposed_once(hub: EmbeddedHub, result: Path, tmp_path: Path) -> None:
    repo = push(hub, "me/proposed-once", save(tmp_path / "old", tiny_vit(seed=1)))
    first = publish(result, repo, private=False, create_pr=True, message="Ours")
    again = publish(result, repo, private=False, create_pr=True, message="Ours")
    assert first.changed
    assert not again.changed
    assert (again.pr_url, again.commit) == (first.pr_url, first.commit)
    assert proposals(hub, repo) == ["Ours"]


def test_a_pull_request_that_was_begun_is_continued(
    hub: EmbeddedHub, result: Path, tmp_path: Path
) -> None:
    repo = push(hub, "me/begun", save(tmp_path / "old", tiny_vit(seed=1)))
    begun = hub.api().create_pull_request(repo, title="Ours")
    done = publish(result, repo, private=False, create_pr=True, message="Ours")
    assert done.changed
    assert done.pr_url == begun.url
    assert load(f"{repo}@refs/pr/{begun.num}").source.sha == done.commit
    assert proposals(hub, repo) == ["Ours"]


def test_other_pull_requests_are_left_alone(
    hub: EmbeddedHub, result: Path, tmp_path: Path, as_user: Any
) -> None:
    repo = push(hub, "me/crowded", save(tmp_path / "old", tiny_vit(seed=1)))
    as_user(hub.add_user("namesake"))
    theirs = publish(result, repo, private=False, create_pr=True, message="Ours")
    as_user(hub.token)
    closed = publish(result, repo, private=False, create_pr=True, message="Ours")
    hub.api().change_discussion_status(repo, int(str(closed.pr_url)[-1]), "closed")
    done = publish(result, repo, private=False, create_pr=True, message="Ours")
    assert done.changed
    assert len({theirs.pr_url, closed.pr_url, done.pr_url}) == 3


def test_a_pull_request_whose_answer_was_lost_is_not_opened_again(
    hub: EmbeddedHub, result: Path, tmp_path: Path, lose_an_answer: Callable[[], None]
) -> None:
    repo = push(hub, "me/lost-proposal", save(tmp_path / "old", tiny_vit(seed=1)))
    lose_an_answer()
    done = publish(result, repo, private=False, create_pr=True, message="Ours")
    assert proposals(hub, repo) == ["Ours"]
    assert load(f"{repo}@refs/pr/1").source.sha == done.commit


def test_two_who_propose_the_same_in_one_moment_leave_one_open(
    hub: EmbeddedHub, result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = push(hub, "me/in-one-moment", save(tmp_path / "old", tiny_vit(seed=1)))
    commit, both = HfApi.create_commit, threading.Barrier(2, timeout=60)

    def together(self: HfApi, *args: Any, **kwargs: Any) -> Any:
        both.wait()  # neither has seen the other's: both have looked, and none was open
        return commit(self, *args, **kwargs)

    monkeypatch.setattr(HfApi, "create_commit", together)

    def propose(_: int) -> Published:
        return publish(result, repo, private=False, create_pr=True, message="Ours")

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(propose, range(2)))
    assert proposals(hub, repo) == ["Ours"]
    assert proposals(hub, repo, "closed") == ["Ours"]
    assert len({(each.pr_url, each.commit) for each in done}) == 1
    assert sorted(each.changed for each in done) == [False, True]
    assert load(f"{repo}@refs/pr/1").source.sha == done[0].commit


def test_a_pair_that_was_left_open_is_cleared_up_by_the_next(
    hub: EmbeddedHub, result: Path, tmp_path: Path
) -> None:
    repo = push(hub, "me/left-two", save(tmp_path / "old", tiny_vit(seed=1)))
    for _ in range(2):
        hub.api().upload_folder(
            repo_id=repo, folder_path=result, create_pr=True, commit_message="Ours"
        )
    assert len(proposals(hub, repo)) == 2
    done = publish(result, repo, private=False, create_pr=True, message="Ours")
    assert not done.changed
    assert done.pr_url is not None
    assert done.pr_url.endswith("/1")
    assert proposals(hub, repo) == ["Ours"]
    assert not publish(result, repo, private=False, create_pr=True, message="Ours").changed
