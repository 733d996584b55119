"""Names, folders and files that are no models, or that nothing can be written to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hubmerge.errors import (
    AccessError,
    NotFoundError,
    RecipeError,
    TargetError,
    WeightsError,
)
from hubmerge.hub.destination import Destination
from hubmerge.hub.load import load
from hubmerge.hub.source import folder_files, parse_ref, resolve
from hubmerge.hub.target import check_folder
from tests.helpers.hostile import refused


def test_pipes_devices_and_half_a_disk_are_no_models(tmp_path: Path, model: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (str(tmp_path / "pipe"), "/dev/zero", "/dev/null", "/", "/proc", "/proc/self"):
        refused(lambda place=place: resolve(place), NotFoundError)
    (model / "model.safetensors").unlink()
    os.mkfifo(model / "model.safetensors")
    refused(lambda: resolve(str(model)), WeightsError)
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to("/dev/zero")
    refused(lambda: resolve(str(model)), WeightsError)
    (model / "config.json").unlink()
    (model / "config.json").symlink_to(model / "config.json")
    refused(lambda: resolve(str(model)), NotFoundError)


def test_links_in_a_folder_of_the_users_are_followed(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").rename(tmp_path / "elsewhere")
    (model / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    assert load(str(model)).dtypes


@pytest.mark.parametrize("ref", ["x" * 300, "a/" + "x" * 300, "./" + "x" * 300, "a" * 10_000])
def test_names_that_are_too_long(ref: str) -> None:
    refused(lambda: parse_ref(ref), RecipeError, NotFoundError)


def test_users_there_are_not() -> None:
    refused(lambda: parse_ref("~no-such-user-here/model"), NotFoundError)


@pytest.mark.parametrize(
    "name", ["x" * 300, "a\0b", "é" * 128, "x" * 250, "a\nb", "a\x1b[2J", "a\u202eb/c"]
)
def test_folders_that_cannot_be_named_so(tmp_path: Path, name: str) -> None:
    refused(lambda: check_folder(tmp_path / name), TargetError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("out", "found"),
    [
        ("https://huggingface.co/me/both", "is an address"),
        ("hf://me/both", "is an address"),
        ("~no-such-user-here/both", "a user there is not"),
    ],
)
def test_what_only_looks_like_a_folder(out: str, found: str) -> None:
    destination = Destination(out=Path(out))
    error = refused(lambda: check_folder(destination.out or Path()), TargetError)
    assert found in str(error)


def test_the_users_own_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is of models, and as a shell does it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Destination(out=Path("~/both")).out == tmp_path / "both"


@pytest.mark.parametrize("place", ["file/out", "/proc/out", "/dev/null/out", "/sys/out"])
def test_folders_that_cannot_be_made_there(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    refused(lambda: check_folder(tmp_path / place), TargetError)
    check_folder(tmp_path / "fine")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_of_too_many_files_is_not_gone_through(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / str(number)).touch()
    assert len(folder_files(tmp_path, 20)) == 12
    refused(lambda: folder_files(tmp_path, 10), RecipeError)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_files_that_may_not_be_read(model: Path, name: str) -> None:
    for above in (model, *model.parents):
        if above != Path("/") and above.stat().st_uid == 0 and "pytest" in str(above):
            above.chmod(0o755)
    (model / name).chmod(0o000)
    os.seteuid(65534)
    try:
        refused(lambda: load(str(model)), AccessError)
    finally:
        os.seteuid(0)
