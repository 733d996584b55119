"""One commit with everything or nothing; nothing that exists is deleted or overwritten unasked."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from hubmerge.errors import (
    AccessError,
    ConflictError,
    HubUnavailableError,
    NotFoundError,
    RecipeError,
    ResourceError,
    TargetError,
    VerificationError,
)
from hubmerge.hub.load import load
from hubmerge.hub.publish import publish
from hubmerge.hub.source import folder_files
from hubmerge.hub.target import check_target, look_at
from hubmerge.localhub import EmbeddedHub, embedded_hub, limits
from tests.helpers.small_models import push, save, tiny_vit


def commits(hub: EmbeddedHub, repo: str, revision: str = "main") -> int:
    return len(hub.api().list_repo_commits(repo, revision=revision))


def test_everything_goes_in_one_commit(hub: EmbeddedHub, result: Path) -> None:
    done = publish(result, "me/one-commit", private=False)
    assert done.changed
    assert done.url == f"{hub.url}/me/one-commit"
    assert commits(hub, done.repo) == 2  # its creation, and ours
    found = look_at(done.repo)
    assert found is not None
    assert found.head == done.commit
    assert set(folder_files(result)) <= set(found.files)
    assert load("me/one-commit").source.sha == done.commit


@pytest.mark.parametrize("private", [True, False])
def test_visibility_is_as_asked(hub: EmbeddedHub, result: Path, private: bool) -> None:
    publish(result, f"me/visible-{private}", private=private)
    assert hub.api().model_info(f"me/visible-{private}").private == private


def test_publishing_again_does_nothing(hub: EmbeddedHub, result: Path) -> None:
    first = publish(result, "me/again", private=True)
    again = publish(result, "me/again", private=True)
    assert not again.changed
    assert again.commit == first.commit
    assert commits(hub, "me/again") == 2


def test_an_existing_repository_is_refused_and_left_alone(
    hub: EmbeddedHub, result: Path, tmp_path: Path
) -> None:
    repo = push(hub, "me/there", save(tmp_path / "old", tiny_vit(seed=1)))
    before = look_at(repo)
    with pytest.raises(TargetError, match="exists already") as refused:
        publish(result, repo, private=False)
    assert "create_pr=" in str(refused.value)
    with pytest.raises(TargetError, match="exists already"):
        check_target(None, repo)
    assert look_at(repo) == before


def test_exist_ok_adds_a_commit_and_deletes_nothing(
    hub: EmbeddedHub, result: Path, tmp_path: Path
) -> None:
    old = save(tmp_path / "old", tiny_vit(seed=1))
    (old / "notes.txt").write_text("keep me")
    repo = push(hub, "me/added", old)
    before = commits(hub, repo)
    done = publish(result, repo, private=False, exist_ok=True)
    assert commits(hub, repo) == before + 1
    found = look_at(repo)
    assert found is not None
    assert "notes.txt" in found.files
    assert load(repo).source.sha == done.commit


def test_a_branch_of_its_own(hub: EmbeddedHub, result: Path, tmp_path: Path) -> None:
    repo = push(hub, "me/branch", save(tmp_path / "old", tiny_vit(seed=1)))
    main = look_at(repo)
    with pytest.raises(TargetError):
        publish(result, repo, private=False, revision="merged")
    done = publish(result, repo, private=False, revision="merged", exist_ok=True)
    assert look_at(repo) == main
    assert load(f"{repo}@merged").source.sha == done.commit
    assert not publish(result, repo, private=False, revision="merged").changed


def test_a_repository_that_moved_on_since_the_plan_is_a_conflict(
    hub: EmbeddedHub, result: Path, tmp_path: Path
) -> None:
    repo = push(hub, "me/moved", save(tmp_path / "old", tiny_vit(seed=1)))
    target = check_target(None, repo, exist_ok=True)
    hub.api().upload_file(path_or_fileobj=b"x", path_in_repo="notes.txt", repo_id=repo)
    before = look_at(repo)
    with pytest.raises(ConflictError, match="changed while"):
        publish(result, repo, private=False, exist_ok=True, target=target)
    assert look_at(repo) == before


def test_a_commit_that_comes_between_is_a_conflict(
    hub: EmbeddedHub, result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = push(hub, "me/between", save(tmp_path / "old", tiny_vit(seed=1)))
    upload = HfApi.preupload_lfs_files
    rivals = [b"first"]

    def with_a_rival(self: HfApi, *args: Any, **kwargs: Any) -> Any:
        if rivals:
            hub.api().upload_file(
                path_or_fileobj=rivals.pop(), path_in_repo="notes.txt", repo_id=repo
            )
        return upload(self, *args, **kwargs)

    monkeypatch.setattr(HfApi, "preupload_lfs_files", with_a_rival)
    with pytest.raises(ConflictError):
        publish(result, repo, private=False, exist_ok=True)
    found = look_at(repo)
    assert found is not None
    assert "notes.txt" in found.files
    weights = hashlib.sha256((result / "model.safetensors").read_bytes()).hexdigest()
    assert found.files["model.safetensors"] != weights


def test_a_push_broken_off_after_the_creation_completes_on_the_next_run(
    hub: EmbeddedHub, result: Path
) -> None:
    hub.api().create_repo("me/broken-off", private=True)
    assert check_target(None, "me/broken-off", private=True).exists
    assert publish(result, "me/broken-off", private=True).changed


def test_a_hub_that_goes_away_completes_on_the_next_run(
    hub: EmbeddedHub, result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_hub(tmp_path / "own") as own:
        monkeypatch.setenv("HF_ENDPOINT", own.url)
        monkeypatch.setenv("HF_TOKEN", own.token)
        commit = HfApi.create_commit

        def gone(self: HfApi, *args: Any, **kwargs: Any) -> Any:
            own.stop()
            return commit(self, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(HfApi, "create_commit", gone)
            with pytest.raises(HubUnavailableError):
                publish(result, "me/gone", private=True)
        own.start()
        done = publish(result, "me/gone", private=True)
        assert done.changed
        assert load("me/gone").source.sha == done.commit


def test_an_answer_that_was_lost_is_not_taken_for_a_conflict(
    hub: EmbeddedHub, result: Path, lose_an_answer: Callable[[], None]
) -> None:
    lose_an_answer()
    done = publish(result, "me/lost", private=True)
    assert commits(hub, "me/lost") == 2
    found = look_at("me/lost")
    assert found is not None
    assert found.head == done.commit


@pytest.mark.parametrize("create_pr", [False, True])
def test_a_file_that_does_not_arrive_is_noticed(
    hub: EmbeddedHub,
    result: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    create_pr: bool,
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "notes.txt").write_text("mine")
    repo = push(hub, f"me/robbed-{create_pr}", tmp_path / "old")
    commit = HfApi.create_commit

    def without_weights(self: HfApi, repo: str, operations: list[Any], **kwargs: Any) -> Any:
        kept = [each for each in operations if each.path_in_repo != "model.safetensors"]
        return commit(self, repo, kept, **kwargs)

    monkeypatch.setattr(HfApi, "create_commit", without_weights)
    with pytest.raises(VerificationError, match="does not hold what was pushed") as error:
        publish(result, repo, private=False, create_pr=create_pr, exist_ok=not create_pr)
    assert error.value.found == "missing or different: model.safetensors"


def test_a_repository_created_meanwhile_is_a_conflict_unless_it_is_empty(
    hub: EmbeddedHub, result: Path, tmp_path: Path
) -> None:
    target = check_target(None, "me/meanwhile")
    repo = push(hub, "me/meanwhile", save(tmp_path / "old", tiny_vit(seed=1)))
    before = look_at(repo)
    with pytest.raises(ConflictError, match="it was no repository"):
        publish(result, repo, private=False, exist_ok=True, target=target)
    assert look_at(repo) == before
    hub.api().delete_repo(repo)
    hub.api().create_repo(repo)
    assert publish(result, repo, private=False, target=target).changed


def test_what_is_private_does_not_go_to_a_public_repository(hub: EmbeddedHub, result: Path) -> None:
    hub.api().create_repo("me/open", private=False)
    for refused in (
        lambda: publish(result, "me/open", private=True),
        lambda: check_target(None, "me/open", private=True),
    ):
        with pytest.raises(TargetError, match="is public"):
            refused()
    assert commits(hub, "me/open") == 1


def test_a_hub_without_space_is_said_and_the_same_call_completes(
    hub: EmbeddedHub, result: Path, as_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(hub.add_user("crowded"))
    with monkeypatch.context() as full:
        full.setattr(limits, "FREE", 2**60)
        with pytest.raises(ResourceError, match="no space left for model crowded/both"):
            publish(result, "crowded/both", private=False)
        assert holding("crowded/both") <= {".gitattributes"}
    assert publish(result, "crowded/both", private=False).changed
    assert holding("crowded/both") >= {*folder_files(result)}


@pytest.mark.parametrize("name", ["model.safetensors", "notes.txt"])
def test_a_hub_that_fills_within_an_upload_keeps_nothing_of_it(
    hub: EmbeddedHub, tmp_path: Path, name: str
) -> None:
    """The operating system refuses the server's write: of a file sent alone, and of the commit."""
    result = save(tmp_path / "unseen", tiny_vit(seed=41))
    if name == "notes.txt":
        (result / name).write_text("a line\n" * 200_000)
    repo = f"me/fills-{name.partition('.')[0]}"
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((result / name).stat().st_size // 2, most))
    try:
        with pytest.raises(ResourceError, match=f"no space left for model {repo}"):
            publish(result, repo, private=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert holding(repo) <= {".gitattributes"}
    assert publish(result, repo, private=False).changed
    assert holding(repo) >= {*folder_files(result)}


def holding(repo: str) -> set[str]:
    """The files of a repository."""
    found = look_at(repo)
    return set(found.files) if found is not None else set()


def test_missing_write_access_is_refused_before_the_work(
    hub: EmbeddedHub, result: Path, tmp_path: Path, as_user: Any
) -> None:
    repo = push(hub, "me/mine", save(tmp_path / "old", tiny_vit(seed=1)))
    before = look_at(repo)
    as_user(hub.add_user("guest"))
    with pytest.raises(AccessError):
        check_target(None, repo, exist_ok=True)
    with pytest.raises(AccessError, match="may not create me/new") as refused:
        check_target(None, "me/new")
    assert 'push="guest/new"' in str(refused.value)
    with pytest.raises(AccessError):
        publish(result, repo, private=False, exist_ok=True)
    assert check_target(None, repo, create_pr=True).exists
    as_user(hub.add_user("reader", "read"))
    with pytest.raises(AccessError, match="may only read"):
        check_target(None, "reader/new")
    as_user("")
    with pytest.raises(AccessError, match="needs a token"):
        check_target(None, "me/new")
    as_user("hf_wrong")
    with pytest.raises(AccessError, match="does not accept"):
        check_target(None, "me/new")
    as_user(hub.token)
    assert look_at(repo) == before
    assert look_at("me/new") is None


def test_looking_creates_nothing(hub: EmbeddedHub, tmp_path: Path) -> None:
    target = check_target(tmp_path / "deep" / "out", "me/planned")
    assert not target.exists
    assert not (tmp_path / "deep").exists()
    assert look_at("me/planned") is None


@pytest.mark.parametrize("name", ["", "me/../x", "me/<b>", "me/x\n", "/me/x", "me/x/y"])
def test_what_is_no_repository_name(hub: EmbeddedHub, name: str, result: Path) -> None:
    for refused in (lambda: check_target(None, name), lambda: publish(result, name, private=True)):
        with pytest.raises(RecipeError):
            refused()


def test_options_that_contradict_each_other(hub: EmbeddedHub) -> None:
    with pytest.raises(RecipeError, match="pull request goes to the main"):
        check_target(None, "me/x", create_pr=True, revision="v2")
    with pytest.raises(RecipeError, match="names no account"):
        check_target(None, "x")
    with pytest.raises(RecipeError, match="no revision"):
        check_target(None, "me/x", revision="../main")
    with pytest.raises(NotFoundError, match="pull request"):
        check_target(None, "me/not-there", create_pr=True)


def test_a_folder_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for taken in ("full", "full/file", "link"):
        with pytest.raises(TargetError, match="exists already"):
            check_target(tmp_path / taken, None)
    with pytest.raises(TargetError, match="cannot be written"):
        check_target(tmp_path / "full" / "file" / "out", None)
    (tmp_path / "empty").mkdir()
    assert check_target(tmp_path / "empty", None).out == str(tmp_path / "empty")


def test_one_file_does_not_shadow_shards(hub: EmbeddedHub, result: Path, tmp_path: Path) -> None:
    repo = push(hub, "me/shadow", save(tmp_path / "old", tiny_vit(seed=1)))
    (result / "model.safetensors").rename(result / "model-00001-of-00001.safetensors")
    (result / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(TargetError, match="instead of the merged"):
        publish(result, repo, private=False, exist_ok=True)


def test_a_link_out_of_the_folder_is_not_published(
    hub: EmbeddedHub, result: Path, tmp_path: Path
) -> None:
    """As in a folder that was unpacked from another user's archive."""
    (tmp_path / "private").write_text("a key")
    (result / "NOTES.md").symlink_to(tmp_path / "private")
    with pytest.raises(TargetError, match=r"NOTES\.md.* leads out of its folder"):
        publish(result, "me/links", private=False)
    assert look_at("me/links") is None
    (result / "NOTES.md").unlink()
    (result / "NOTES.md").symlink_to("README.md")
    assert publish(result, "me/links", private=False).changed
    assert "NOTES.md" in holding("me/links")


def test_an_empty_folder_is_not_published(hub: EmbeddedHub, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing to publish"):
        publish(tmp_path, "me/nothing", private=True)
    assert look_at("me/nothing") is None


def test_a_card_the_hub_refuses_is_said_to_be_so(hub: EmbeddedHub, result: Path) -> None:
    (result / "README.md").write_text("---\nlicense: [unclosed\n---\n")
    with pytest.raises(RecipeError, match="model card"):
        publish(result, "me/bad-card", private=True)
