"""What a user may type, and the exact state it stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from hubmerge.errors import AccessError, HubUnavailableError, NotFoundError, RecipeError
from hubmerge.hub.source import parse_ref, resolve
from hubmerge.localhub import EmbeddedHub, embedded_hub
from tests.helpers.small_models import push, save, tiny_vit

TRICKS = [
    "",
    " ",
    "org/../name",
    "org/..",
    "org//name",
    "org/name/extra",
    "org/name\x00",
    "org/name\n",
    "org/<script>alert(1)</script>",
    "<b>org</b>/name",
    "org/name@../main",
    "org/name@",
    "org/name@a b",
    "org/name@<i>",
    "org\\name",
    "-org/name",
    "org/na--me",
    "org/name.git",
    "a" * 200,
    "https://evil.example/org/name",
    "datasets/org/name",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("ref", TRICKS)
def test_what_is_no_name_is_refused_and_quoted_harmlessly(ref: str) -> None:
    with pytest.raises(RecipeError) as refused:
        parse_ref(ref)
    assert "\x00" not in str(refused.value)


@pytest.mark.parametrize(
    "ref", ["../../etc/shadow-nothing", "/nowhere/at/all", "~/nowhere-x", "./x"]
)
def test_a_path_that_is_no_folder_is_not_found(ref: str) -> None:
    with pytest.raises(NotFoundError):
        parse_ref(ref)


def test_names_revisions_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    found = parse_ref("org/name@refs/pr/1")
    assert (found.id, found.revision, found.kind) == ("org/name", "refs/pr/1", "hub")
    assert parse_ref("org/name").revision is None
    assert parse_ref("gpt2").id == "gpt2"
    address = parse_ref("http://127.0.0.1:1/org/name/tree/v1.0")
    assert (address.id, address.revision) == ("org/name", "v1.0")
    assert parse_ref("https://huggingface.co/datasets/org/data", "dataset").id == "org/data"
    page = parse_ref("https://huggingface.co/org/name/blob/v1.0/README.md?x=/tree/y#z")
    assert (page.id, page.revision) == ("org/name", "v1.0")
    assert parse_ref("https://huggingface.co/org/name?library=transformers").id == "org/name"


@pytest.mark.parametrize(
    ("address", "wanted", "said"),
    [
        ("datasets/org/data", "model", "of a data set, not of a model"),
        ("spaces/org/page", "model", "of a Space, not of a model"),
        ("spaces/org/page", "dataset", "of a Space, not of a data set"),
        ("org/name", "dataset", "of a model, not of a data set"),
    ],
)
def test_the_address_of_another_kind_is_told_at_once(
    address: str, wanted: Literal["model", "dataset"], said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        parse_ref(f"https://huggingface.co/{address}", wanted)


def test_a_folder_goes_before_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert parse_ref("org/name").kind == "local"
    assert parse_ref("org/name").folder == tmp_path / "org" / "name"
    assert parse_ref("./org/name").id == "name"


def test_a_folder_is_pinned_by_what_is_loaded(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", tiny_vit())
    before = resolve(str(folder)).sha
    assert before.startswith("local-")
    assert len(before) == len("local-") + 40
    (folder / "README.md").write_text("another card")
    assert resolve(str(folder)).sha == before
    save(folder, tiny_vit(seed=1))
    assert resolve(str(folder)).sha != before


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"config\.json"):
        resolve(str(tmp_path))


def test_the_commit_is_pinned(hub: EmbeddedHub, tmp_path: Path) -> None:
    repo = push(hub, "src/pinned", save(tmp_path / "a", tiny_vit()))
    first = resolve(repo)
    save(tmp_path / "a", tiny_vit(seed=1))
    hub.api().upload_folder(repo_id=repo, folder_path=tmp_path / "a")
    second = resolve(repo)
    assert first.sha != second.sha
    assert resolve(f"{repo}@{first.sha}").sha == first.sha
    assert resolve(f"{repo}@main").sha == second.sha


@pytest.mark.parametrize("ref", ["rows.jsonl", "./rows.csv"])
def test_a_file_of_rows_that_is_not_there_is_not_asked_of_the_hub(ref: str) -> None:
    with pytest.raises(NotFoundError, match=f"there is no file '?{ref}"):
        parse_ref(ref, "dataset")


def test_missing_repository(hub: EmbeddedHub, as_user: Any) -> None:
    with pytest.raises(NotFoundError, match="your token may see"):
        resolve("src/nothing")
    as_user("")
    with pytest.raises(NotFoundError) as refused:
        resolve("src/nothing")
    assert "huggingface_hub.login()" in str(refused.value)


def test_private_repository(hub: EmbeddedHub, as_user: Any, tmp_path: Path) -> None:
    repo = push(hub, "src/private", save(tmp_path / "a", tiny_vit()), private=True)
    assert resolve(repo).private
    as_user("")
    with pytest.raises(NotFoundError, match="without signing in") as refused:
        resolve(repo)
    assert "missing, or private" in str(refused.value)
    as_user(hub.add_user("stranger"))
    with pytest.raises(NotFoundError, match="your token may see"):
        resolve(repo)


def test_wrong_token(hub: EmbeddedHub, as_user: Any, tmp_path: Path) -> None:
    repo = push(hub, "src/public", save(tmp_path / "a", tiny_vit()))
    as_user("hf_wrong")
    with pytest.raises(AccessError, match="does not accept the token"):
        resolve(repo)


def test_gated_repository(hub: EmbeddedHub, as_user: Any, tmp_path: Path) -> None:
    repo = push(hub, "src/gated", save(tmp_path / "a", tiny_vit()))
    hub.api().update_repo_settings(repo, gated="manual")
    assert resolve(repo).gated
    for token in ("", hub.add_user("newcomer")):
        as_user(token)
        with pytest.raises(AccessError, match="gated") as refused:
            resolve(repo)
        assert f"ask for access at {hub.url}/{repo}" in str(refused.value)


def test_unknown_revision(hub: EmbeddedHub, tmp_path: Path) -> None:
    repo = push(hub, "src/revisions", save(tmp_path / "a", tiny_vit()))
    with pytest.raises(NotFoundError, match="no such revision"):
        resolve(f"{repo}@v9")


def test_a_hub_that_does_not_answer(
    hub: EmbeddedHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_hub(tmp_path / "other") as other:
        monkeypatch.setenv("HF_ENDPOINT", other.url)
        monkeypatch.setenv("HF_TOKEN", other.token)
    with pytest.raises(HubUnavailableError, match="did not answer"):
        resolve("src/any")
