"""Folders are found again by what they hold, by nobody else and nowhere else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hubmerge.errors import NotFoundError
from hubmerge.hub import known_folders
from hubmerge.hub.known_folders import remember_folder
from hubmerge.hub.source import parse_ref, resolve


@pytest.fixture(autouse=True)
def another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(known_folders, "_seen", {})


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "rows.csv").write_text("label\n1\n")
    return folder


def test_a_folder_by_its_content(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = resolve(str(rows), "dataset").sha
    with pytest.raises(NotFoundError, match="'data' is a folder that is not known on this machine"):
        resolve(f"data@{sha}", "dataset")
    remember_folder(sha, rows)
    monkeypatch.setattr(known_folders, "_seen", {})  # another process
    found = resolve(f"data@{sha}", "dataset")
    assert (found.id, found.kind, found.sha, found.folder) == ("data", "local", sha, rows)
    moved = Path(shutil.copytree(rows, tmp_path / "moved"))
    remember_folder(sha, moved)
    (moved / "rows.csv").write_text("label\n2\n")
    assert resolve(f"data@{sha}", "dataset").folder == rows
    shutil.rmtree(rows)
    with pytest.raises(NotFoundError, match="the folder 'data' has changed"):
        resolve(f"data@{sha}", "dataset")


def test_the_index_is_the_users_own(rows: Path, tmp_path: Path) -> None:
    remember_folder("local-" + "a" * 40, rows)
    remember_folder("../../evil", rows)
    index = tmp_path / "data" / "hubmerge" / "folders"
    assert [path.name for path in index.iterdir()] == ["local-" + "a" * 40]
    assert index.stat().st_mode & 0o077 == 0


def test_without_a_place_to_write_a_folder_is_known_to_this_process(
    rows: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("a file, where a folder would have to be made")
    sha = resolve(str(rows), "dataset").sha
    remember_folder(sha, rows)
    assert resolve(f"rows@{sha}", "dataset").folder == rows


def test_a_commit_is_of_a_repository_whatever_lies_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("org/name", "name"):
        ref = f"{name}@{'a' * 40}"
        (tmp_path / ref).mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        assert parse_ref(ref).kind == "hub"
