"""Who may see and change what, and that the answers give nothing away."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import httpx
import psutil
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
)

from hubmerge.errors import RecipeError
from hubmerge.localhub import EmbeddedHub

SECRET = b"\0the weights of someone else" * 9


@pytest.fixture(scope="module")
def ann(hub: EmbeddedHub) -> HfApi:
    return hub.api(hub.add_user("ann", "write"))


@pytest.fixture(scope="module")
def reader(hub: EmbeddedHub) -> HfApi:
    return hub.api(hub.add_user("reader", "read"))


@pytest.fixture(scope="module")
def private(ann: HfApi) -> str:
    repo = ann.create_repo("ann/private", private=True).repo_id
    ann.upload_file(path_or_fileobj=SECRET, path_in_repo="w.bin", repo_id=repo)
    return repo


def status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code


def test_a_private_repository_looks_like_none(
    hub: EmbeddedHub, ann: HfApi, reader: HfApi, private: str, tmp_path: Path
) -> None:
    anonymous = hub.api(token=False)
    for api, expected in ((anonymous, 401), (reader, 404)):
        for repo in (private, "ann/never-made"):
            for ask in (
                api.model_info,
                api.list_repo_refs,
                api.auth_check,
                api.list_repo_commits,
                lambda repo, api=api: api.hf_hub_download(repo, "w.bin", cache_dir=tmp_path),
                lambda repo, api=api: api.create_branch(repo, branch="b"),
            ):
                with pytest.raises(RepositoryNotFoundError) as error:
                    ask(repo)
                assert status(error) == expected
        assert private not in {m.id for m in api.list_models()}
    assert ann.model_info(private).private
    assert private in {m.id for m in ann.list_models(author="ann")}
    assert hub.api().model_info(private).id == private
    assert Path(ann.hf_hub_download(private, "w.bin", cache_dir=tmp_path)).read_bytes() == SECRET


def test_a_wrong_token_is_called_wrong(hub: EmbeddedHub, private: str) -> None:
    hub.api().create_repo("me/public", exist_ok=True)
    wrong = hub.api("hf_wrong")
    for repo in ("me/public", private, "no/such"):
        with pytest.raises(HfHubHTTPError, match="Invalid credentials") as error:
            wrong.model_info(repo)
        assert status(error) == 401
        assert not isinstance(error.value, RepositoryNotFoundError)
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        wrong.whoami()


def test_ids_the_hub_never_had_are_missing_repositories(api: HfApi, tmp_path: Path) -> None:
    for repo in ("gpt2", "no/such"):
        with pytest.raises(RepositoryNotFoundError):
            api.model_info(repo)
        with pytest.raises(RepositoryNotFoundError):
            api.hf_hub_download(repo, "config.json", cache_dir=tmp_path)


def test_only_the_owner_writes(hub: EmbeddedHub, ann: HfApi, reader: HfApi) -> None:
    repo = ann.create_repo("ann/open").repo_id
    bob = hub.api(hub.add_user("bob"))
    for api in (bob, reader):
        for attempt in (
            lambda api=api: api.create_repo("ann/mine-now"),
            lambda api=api: api.delete_repo(repo),
            lambda api=api: api.update_repo_settings(repo, private=True),
            lambda api=api: api.create_tag(repo, tag="t"),
            lambda api=api: api.auth_check(repo, write=True),
            lambda api=api: api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo),
        ):
            with pytest.raises(HfHubHTTPError) as error:
                attempt()
            assert status(error) == 403
    with pytest.raises(HfHubHTTPError) as error:
        reader.create_repo("reader/own")
    assert status(error) == 403
    with pytest.raises(HfHubHTTPError) as error:
        reader.create_pull_request(repo, title="may I")
    assert status(error) == 403
    assert ann.list_repo_files(repo) == []
    ann.auth_check(repo, write=True)
    hub.api().auth_check(repo, write=True)


def test_settings_close_and_open_a_repository(hub: EmbeddedHub, ann: HfApi) -> None:
    repo = ann.create_repo("ann/door").repo_id
    anonymous = hub.api(token=False)
    assert anonymous.model_info(repo).private is False
    ann.update_repo_settings(repo, private=True)
    assert not anonymous.repo_exists(repo)
    ann.update_repo_settings(repo, private=False)
    assert anonymous.repo_exists(repo)


def test_gated_files_are_for_those_who_were_let_in(
    hub: EmbeddedHub, ann: HfApi, reader: HfApi, tmp_path: Path
) -> None:
    repo = ann.create_repo("ann/gated").repo_id
    ann.upload_file(path_or_fileobj=SECRET, path_in_repo="w.bin", repo_id=repo)
    ann.update_repo_settings(repo, gated="manual")
    anonymous = hub.api(token=False)
    for api, expected in ((anonymous, 401), (reader, 403)):
        assert api.model_info(repo).gated == "manual"
        for ask in (
            api.auth_check,
            lambda r, api=api: api.hf_hub_download(r, "w.bin", cache_dir=tmp_path),
        ):
            with pytest.raises(GatedRepoError) as error:
                ask(repo)
            assert status(error) == expected
    ann.grant_access(repo, "reader")
    reader.auth_check(repo)
    assert Path(reader.hf_hub_download(repo, "w.bin", cache_dir=tmp_path)).read_bytes() == SECRET


def test_knowing_a_hash_does_not_open_the_file(
    hub: EmbeddedHub, ann: HfApi, private: str, http: httpx.Client
) -> None:
    """The bytes are stored, but only ann has shown that she has them."""
    bob = hub.add_user("bob")
    repo = hub.api(bob).create_repo("bob/thief", exist_ok=True).repo_id
    sha256 = hashlib.sha256(SECRET).hexdigest()
    auth = {"Authorization": f"Bearer {bob}"}
    lines = [
        {"key": "header", "value": {"summary": "x"}},
        {"key": "lfsFile", "value": {"path": "w.bin", "algo": "sha256", "oid": sha256}},
    ]
    claim = {"url": f"/api/models/{repo}/commit/main", "content": "\n".join(map(json.dumps, lines))}
    refused = http.post(**claim, headers=auth)
    assert refused.status_code == 400
    assert "has not been uploaded" in refused.json()["error"]
    batch = http.post(
        f"/{repo}.git/info/lfs/objects/batch",
        json={"operation": "upload", "objects": [{"oid": sha256, "size": len(SECRET)}]},
        headers=auth,
    ).json()
    href = batch["objects"][0]["actions"]["upload"]["href"]
    assert http.put(href, content=SECRET[:-1] + b"!").status_code == 400
    assert http.post(**claim, headers=auth).status_code == 400
    assert http.put(href.replace("user=bob", "user=ann"), content=SECRET).status_code == 403
    assert http.put(href.replace(sha256, "0" * 64), content=SECRET).status_code == 403
    assert http.put(href, content=SECRET).status_code == 200
    assert http.post(**claim, headers=auth).status_code == 200
    assert list((hub.root / "tmp").glob("*/*")) == []


def test_other_hosts_names_are_refused(hub: EmbeddedHub, http: httpx.Client) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:80", ""):
        answer = http.get("/api/models", headers={"Host": host})
        assert answer.status_code in (400, 421), host
    port = hub.url.rpartition(":")[2]
    assert http.get("/api/models", headers={"Host": f"localhost:{port}"}).status_code == 200


def test_it_listens_on_loopback_only(hub: EmbeddedHub) -> None:
    port = int(hub.url.rpartition(":")[2])
    listening = [c for c in psutil.Process().net_connections("inet") if c.status == "LISTEN"]
    assert {c.laddr.ip for c in listening if c.laddr.port == port} == {"127.0.0.1"}


def test_secrets_on_disk_are_the_owners_alone(hub: EmbeddedHub) -> None:
    for name in ("tokens.json", "link.key"):
        assert stat.S_IMODE((hub.root / name).stat().st_mode) == 0o600


def test_odd_users_are_refused(hub: EmbeddedHub) -> None:
    for name, role in (("../x", "write"), ("api", "write"), ("carl", "king")):
        with pytest.raises(RecipeError):
            hub.add_user(name, role)  # type: ignore[arg-type]


def test_a_missing_file_says_where_it_was_looked_for(hub: EmbeddedHub, tmp_path: Path) -> None:
    api = hub.api()
    repo = api.create_repo("me/empty", exist_ok=True).repo_id
    with pytest.raises(RemoteEntryNotFoundError) as error:
        api.hf_hub_download(repo, "config.json", cache_dir=tmp_path)
    assert error.value.response.headers["X-Repo-Commit"] == api.model_info(repo).sha
