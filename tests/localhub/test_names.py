"""Hostile names: refused before they touch the disk."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi

from hubmerge.localhub import EmbeddedHub
from hubmerge.localhub.names import check_path, check_ref_name, is_name, repo_key
from hubmerge.localhub.refusal import Refusal

TRICKS = [
    "../x",
    "a/../../x",
    "/etc/passwd",
    "a//b",
    "./a",
    "a\\b",
    "a\0b",
    "a\nb",
    ".git/config",
    ".GIT/config",
    "",
    "x" * 300,
    "a/",
    "\ud800",
]


@pytest.mark.parametrize("path", [*TRICKS, None, 3])
def test_path_tricks_are_refused(path: object) -> None:
    with pytest.raises(Refusal):
        check_path(path)


@pytest.mark.parametrize("path", ["a", "a/b.c", "..a", "wörld é.txt", "<b>&'\".txt", "a b/c+d#?"])
def test_odd_but_honest_paths_pass(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "name", ["..", "a..b", "a--b", "", "a/b", "-a", "a.git", "é", "x" * 97, "a\n"]
)
def test_repository_names(name: str) -> None:
    assert not is_name(name)
    assert repo_key("models", "me", name) is None


@pytest.mark.parametrize("name", ["api", "datasets", "-"])
def test_no_namespace_shadows_the_servers_own_addresses(name: str) -> None:
    assert repo_key("models", name, "x") is None


@pytest.mark.parametrize("name", ["refs/heads/x", "0" * 40, "a..b", "a b", ".a", "a/.b", "a.lock"])
def test_branch_names(name: str) -> None:
    with pytest.raises(Refusal):
        check_ref_name(name)


@pytest.mark.parametrize("path", [trick for trick in TRICKS if trick != "\ud800"])
def test_a_commit_cannot_write_outside(hub: EmbeddedHub, path: str, tmp_path: Path) -> None:
    repo = hub.api().create_repo("me/tricks", exist_ok=True).repo_id
    before = {p for p in hub.root.parent.rglob("*") if p.name != "state.json"}
    content = base64.b64encode(b"evil").decode()
    lines = [
        {"key": "header", "value": {"summary": "x"}},
        {"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}},
    ]
    answer = httpx.post(
        f"{hub.url}/api/models/{repo}/commit/main",
        content="\n".join(map(json.dumps, lines)),
        headers={"Authorization": f"Bearer {hub.token}"},
        trust_env=False,
    )
    assert answer.status_code == 400
    assert {p for p in hub.root.parent.rglob("*") if p.name != "state.json"} == before


@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/tokens.json", "..%2F..%2Ftokens.json", "%00"])
def test_a_download_cannot_read_outside(hub: EmbeddedHub, http: httpx.Client, path: str) -> None:
    hub.api().create_repo("me/tricks", exist_ok=True)
    answer = http.get(f"/me/tricks/resolve/main/{path}")
    assert answer.status_code in (400, 404)
    assert hub.token not in answer.text


def test_a_repository_cannot_be_created_outside(api: HfApi, http: httpx.Client) -> None:
    for name, organization in (("../../x", "me"), ("x", ".."), ("x", "api"), ("x", "a/b")):
        answer = http.post(
            "/api/repos/create",
            json={"name": name, "organization": organization},
            headers={"Authorization": f"Bearer {api.token}"},
        )
        assert answer.status_code == 400, (name, organization)
