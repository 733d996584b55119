"""The unmodified client against the embedded Hub: repositories, commits, revisions, requests."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from hubmerge.localhub import EmbeddedHub

BINARY = bytes(range(256)) * 64


def add(path: str, content: bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path, content)


def commit(api: HfApi, repo: str, files: dict[str, bytes], **options: object) -> str:
    operations = [add(path, content) for path, content in files.items()]
    return api.create_commit(repo, operations, commit_message="change", **options).oid


def read(api: HfApi, repo: str, path: str, tmp_path: Path, revision: str | None = None) -> bytes:
    found = api.hf_hub_download(repo, path, revision=revision, cache_dir=tmp_path / "cache")
    return Path(found).read_bytes()


def test_a_connection_outlives_the_time_in_which_the_client_uses_it_again(hub: EmbeddedHub) -> None:
    """The client's pool keeps idle connections for 5 s; one closed earlier resets a request."""
    line = http.client.HTTPConnection(hub.url.removeprefix("http://"))
    line.connect()
    line.auto_open = False
    for pause in (0, 6):
        time.sleep(pause)
        line.request("GET", "/api/models")
        response = line.getresponse()
        assert (response.status, response.will_close) == (200, False)
        response.read()
    line.close()


def test_whoami_names_the_owner(api: HfApi) -> None:
    me = api.whoami()
    assert me["name"] == "me"
    assert me["auth"]["accessToken"]["role"] == "write"


@pytest.mark.parametrize("repo_type", ["model", "dataset", "space"])
def test_a_repository_lives_and_dies(api: HfApi, repo_type: str) -> None:
    sdk = {"space_sdk": "static"} if repo_type == "space" else {}
    made = api.create_repo("me/mortal", repo_type=repo_type, **sdk)
    assert (made.repo_id, made.repo_type) == ("me/mortal", repo_type)
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("me/mortal", repo_type=repo_type, **sdk)
    again = api.create_repo("me/mortal", repo_type=repo_type, exist_ok=True, **sdk)
    assert again.repo_id == "me/mortal"
    api.upload_file(
        path_or_fileobj=b"x", path_in_repo="a/b.txt", repo_id="me/mortal", repo_type=repo_type
    )
    assert api.list_repo_files("me/mortal", repo_type=repo_type) == ["a/b.txt"]
    api.delete_repo("me/mortal", repo_type=repo_type)
    assert not api.repo_exists("me/mortal", repo_type=repo_type)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo("me/mortal", repo_type=repo_type)
    assert api.create_repo("me/mortal", repo_type=repo_type, **sdk)
    assert api.list_repo_files("me/mortal", repo_type=repo_type) == []


def test_a_name_without_a_namespace_is_mine(api: HfApi) -> None:
    assert api.create_repo("short").repo_id == "me/short"


def test_a_folder_goes_up_and_comes_down(api: HfApi, repo: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    files = {
        "README.md": b"---\nlicense: mit\n---\n# hi\n",
        "deep/er/x.bin": BINARY,
        "empty": b"",
        "wörld é.txt": b"w",
    }
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    info = api.upload_folder(repo_id=repo, folder_path=source)
    down = Path(api.snapshot_download(repo, revision=info.oid, cache_dir=tmp_path / "cache"))
    assert down.name == info.oid
    found = {p.relative_to(down).as_posix(): p.read_bytes() for p in down.rglob("*") if p.is_file()}
    assert found == files
    assert api.model_info(repo).sha == info.oid


def test_an_unchanged_upload_makes_no_commit(api: HfApi, repo: str) -> None:
    first = commit(api, repo, {"a.txt": b"a", "b.bin": BINARY})
    assert commit(api, repo, {"a.txt": b"a", "b.bin": BINARY}) == first
    assert len(api.list_repo_commits(repo)) == 2


def test_trees_say_what_git_would(api: HfApi, repo: str) -> None:
    commit(api, repo, {"d/text.txt": b"hello\n", "d/e/blob.bin": BINARY, "top": b"t"})
    tree = {item.path: item for item in api.list_repo_tree(repo, recursive=True, expand=True)}
    assert sorted(tree) == ["d", "d/e", "d/e/blob.bin", "d/text.txt", "top"]
    # `printf 'hello\n' | git hash-object --stdin`
    assert tree["d/text.txt"].blob_id == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert tree["d/text.txt"].lfs is None
    assert tree["d/e/blob.bin"].lfs.size == len(BINARY)
    assert tree["top"].last_commit.title == "change"
    assert [item.path for item in api.list_repo_tree(repo)] == ["d", "top"]
    assert [item.path for item in api.list_repo_tree(repo, "d")] == ["d/e", "d/text.txt"]
    paths = api.get_paths_info(repo, ["d", "top", "missing"])
    assert [item.path for item in paths] == ["d", "top"]
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(repo, "nowhere"))
    files = {f.rfilename: f for f in api.model_info(repo, files_metadata=True).siblings}
    assert files["d/e/blob.bin"].lfs.sha256 == tree["d/e/blob.bin"].lfs.sha256


def test_operations_of_one_commit(api: HfApi, repo: str, tmp_path: Path) -> None:
    commit(api, repo, {"a.txt": b"a", "old/1": b"1", "old/2": b"2", "w.bin": BINARY})
    api.create_commit(
        repo,
        [
            CommitOperationDelete("old/"),
            CommitOperationCopy("w.bin", "copy.bin"),
            CommitOperationCopy("a.txt", "b.txt"),
            add("a.txt", b"new"),
        ],
        commit_message="many",
    )
    assert api.list_repo_files(repo) == ["a.txt", "b.txt", "copy.bin", "w.bin"]
    assert read(api, repo, "copy.bin", tmp_path) == BINARY
    assert read(api, repo, "b.txt", tmp_path) == b"a"
    with pytest.raises(EntryNotFoundError):
        api.delete_file("nothing.txt", repo)
    with pytest.raises(HfHubHTTPError, match="both a file and a folder"):
        commit(api, repo, {"a.txt/inside": b"a file is no folder"})
    assert api.list_repo_files(repo) == ["a.txt", "b.txt", "copy.bin", "w.bin"]


def test_a_stale_parent_is_refused(api: HfApi, repo: str) -> None:
    first = commit(api, repo, {"a": b"1"})
    second = commit(api, repo, {"a": b"2"}, parent_commit=first[:7])
    with pytest.raises(HfHubHTTPError) as refused:
        commit(api, repo, {"a": b"3"}, parent_commit=first)
    assert refused.value.response.status_code == 412
    assert api.model_info(repo).sha == second


def test_branches_and_tags(api: HfApi, repo: str, tmp_path: Path) -> None:
    first = commit(api, repo, {"a": b"1"})
    api.create_tag(repo, tag="v1", tag_message="one")
    api.create_branch(repo, branch="feat/ure")
    second = commit(api, repo, {"a": b"2"}, revision="feat/ure")
    assert read(api, repo, "a", tmp_path, "v1") == read(api, repo, "a", tmp_path, first) == b"1"
    assert read(api, repo, "a", tmp_path, "feat/ure") == b"2"
    refs = api.list_repo_refs(repo)
    assert {r.name: r.target_commit for r in refs.branches} == {"feat/ure": second, "main": first}
    assert [(r.name, r.target_commit) for r in refs.tags] == [("v1", first)]
    for make in (api.create_branch, api.create_tag):
        name = {"branch": "feat/ure"} if make == api.create_branch else {"tag": "v1"}
        with pytest.raises(HfHubHTTPError, match="409"):
            make(repo, **name)
        make(repo, **name, exist_ok=True)
    api.delete_tag(repo, tag="v1")
    api.delete_branch(repo, branch="feat/ure")
    for gone in ("v1", "feat/ure", "0" * 40):
        with pytest.raises(RevisionNotFoundError):
            api.model_info(repo, revision=gone)
        with pytest.raises(RevisionNotFoundError):
            api.hf_hub_download(repo, "a", revision=gone, cache_dir=tmp_path / "none")
        with pytest.raises(RevisionNotFoundError):
            commit(api, repo, {"a": b"3"}, revision=gone)
    with pytest.raises(HfHubHTTPError, match="403"):
        api.delete_branch(repo, branch="main")


def test_a_pull_request_from_commit_to_merge(
    hub: EmbeddedHub, api: HfApi, repo: str, tmp_path: Path
) -> None:
    base = commit(api, repo, {"a.txt": b"1\n", "b.txt": b"1\n"})
    guest = hub.api(hub.add_user("guest"))
    info = guest.create_commit(
        repo, [add("a.txt", b"2\n"), add("w.bin", BINARY)], commit_message="better", create_pr=True
    )
    assert info.pr_revision == "refs/pr/1"
    assert info.pr_url == f"{hub.url}/{repo}/discussions/1"
    assert api.model_info(repo).sha == base
    assert api.model_info(repo, revision="refs/pr/1").sha == info.oid
    assert read(api, repo, "a.txt", tmp_path, "refs/pr/1") == b"2\n"
    commit(guest, repo, {"c.txt": b"c"}, revision="refs/pr/1")
    commit(api, repo, {"b.txt": b"main moved\n"})
    found = api.get_discussion_details(repo, 1)
    assert found.is_pull_request
    assert (found.author, found.status, found.conflicting_files) == ("guest", "open", [])
    assert "+2\n" in found.diff
    with pytest.raises(HfHubHTTPError, match="403"):
        guest.merge_pull_request(repo, 1)
    api.merge_pull_request(repo, 1, comment="thanks")
    assert api.get_discussion_details(repo, 1).merge_commit_oid == api.model_info(repo).sha
    assert read(api, repo, "b.txt", tmp_path) == b"main moved\n"
    assert read(api, repo, "a.txt", tmp_path) == b"2\n"
    assert api.list_repo_files(repo) == ["a.txt", "b.txt", "c.txt", "w.bin"]


def test_a_pull_request_that_conflicts_is_not_merged(api: HfApi, repo: str) -> None:
    start = commit(api, repo, {"a.txt": b"1"})
    commit(api, repo, {"a.txt": b"ours"})
    opened = api.create_commit(
        repo,
        [add("a.txt", b"theirs")],
        commit_message="late",
        create_pr=True,
        parent_commit=start,
    )
    head = api.model_info(repo).sha
    assert api.get_discussion_details(repo, opened.pr_num).conflicting_files == ["a.txt"]
    with pytest.raises(HfHubHTTPError, match="409"):
        api.merge_pull_request(repo, opened.pr_num)
    assert api.model_info(repo).sha == head
    api.change_discussion_status(repo, opened.pr_num, "closed")
    assert list(api.get_repo_discussions(repo, discussion_status="open")) == []


def test_a_pull_request_for_a_branch_that_was_deleted_is_not_merged(api: HfApi, repo: str) -> None:
    api.create_branch(repo, branch="dev")
    opened = api.create_commit(
        repo, [add("a.txt", b"1")], commit_message="late", create_pr=True, revision="dev"
    )
    api.delete_branch(repo, branch="dev")
    assert api.get_discussion_details(repo, opened.pr_num).status == "open"
    with pytest.raises(HfHubHTTPError, match="409"):
        api.merge_pull_request(repo, opened.pr_num)


def test_discussions(api: HfApi, repo: str) -> None:
    draft = api.create_pull_request(repo, title="a draft")
    assert (draft.status, draft.git_reference) == ("draft", "refs/pr/1")
    talk = api.create_discussion(repo, title="a talk", description="hello")
    assert talk.num == 2
    assert talk.events[0].content == "hello"
    assert api.comment_discussion(repo, 2, "more").content == "more"
    assert api.rename_discussion(repo, 2, "another title").new_title == "another title"
    assert [d.title for d in api.get_repo_discussions(repo)] == ["another title", "a draft"]


def test_listing_searches_and_filters(api: HfApi) -> None:
    card = b"---\ntags: [merge]\nlicense: mit\npipeline_tag: image-classification\n---\n# hi\n"
    for name in ("found-one", "found-two"):
        api.create_repo(f"listed/{name}")
    commit(api, "listed/found-one", {"README.md": card})
    ids = {m.id for m in api.list_models(author="listed")}
    assert ids == {"listed/found-one", "listed/found-two"}
    assert [m.id for m in api.list_models(search="found-TWO")] == ["listed/found-two"]
    for wanted in ("merge", ["license:mit", "merge"]):
        assert [m.id for m in api.list_models(filter=wanted)] == ["listed/found-one"]
    by_task = api.list_models(pipeline_tag="image-classification")
    assert [m.id for m in by_task] == ["listed/found-one"]
    newest = list(api.list_models(author="listed", sort="last_modified", limit=1))
    assert [m.id for m in newest] == ["listed/found-one"]
    assert list(api.list_datasets(author="listed")) == []
    assert api.model_info("listed/found-one").card_data.license == "mit"
    assert api.model_info("listed/found-one", expand=["sha"]).tags is None


@pytest.mark.parametrize(
    "block",
    ["tags: [a", "- a\n- b", "a: &x [1]\nb: *x", "base_model: /tmp/x y", "tags: 3", "a: 1: 2"],
)
def test_a_card_the_hub_would_refuse_is_refused(api: HfApi, repo: str, block: str) -> None:
    with pytest.raises(ValueError, match="Invalid metadata"):
        commit(api, repo, {"README.md": f"---\n{block}\n---\n".encode()})
    assert api.list_repo_files(repo) == []
