"""The Space that `hubmerge app deploy` puts up: its files, its wheel, and what it leaves alone."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import hubmerge
from hubmerge.cli import app
from hubmerge.errors import RecipeError, TargetError
from hubmerge.localhub import EmbeddedHub
from spaces_app.deploy import deploy, variables, write_folder


def test_a_space_gets_the_folder_and_this_version(
    hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    set_them = ["--variable", "HUBMERGE_APP_HEAVY=2", "--variable", "HUBMERGE_PLUGINS=a,b"]
    done = CliRunner().invoke(app, ["app", "deploy", "me/merging", *set_them])
    assert done.exit_code == 0, done.output
    assert done.output.strip().endswith("/spaces/me/merging")
    api = hub.api()
    assert api.repo_info("me/merging", repo_type="space").private
    wheel = f"hubmerge-{hubmerge.__version__}-py3-none-any.whl"
    files = set(api.list_repo_files("me/merging", repo_type="space"))
    assert {"app.py", "README.md", "requirements.txt", wheel} <= files
    kept = api.hf_hub_download(
        "me/merging", "requirements.txt", repo_type="space", local_dir=tmp_path
    )
    assert Path(kept).read_text() == f"hubmerge[app,mcp] @ ./{wheel}\n"
    commits = len(api.list_repo_commits("me/merging", repo_type="space"))
    deploy("me/merging", given={"HUBMERGE_APP_HEAVY": "3"})
    found = {name: each.value for name, each in api.get_space_variables("me/merging").items()}
    assert found == {"HUBMERGE_APP_HEAVY": "3", "HUBMERGE_PLUGINS": "a,b"}
    assert len(api.list_repo_commits("me/merging", repo_type="space")) == commits


def test_a_space_that_holds_something_else_is_left_alone(
    hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    api = hub.api()
    api.create_repo("me/other", repo_type="space", space_sdk="gradio")
    api.upload_file(
        path_or_fileobj=b"print()", path_in_repo="main.py", repo_id="me/other", repo_type="space"
    )
    with pytest.raises(TargetError, match="holds something else"):
        deploy("me/other")
    assert "app.py" not in api.list_repo_files("me/other", repo_type="space")


def test_the_wheel_is_this_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        write_folder(folder)
    (wheel,) = one.glob("*.whl")
    assert wheel.read_bytes() == (two / wheel.name).read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    assert {"hubmerge/model_specs/vit.toml", "spaces_app/ui/style.css"} <= names
    assert not any("__pycache__" in name for name in names)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "installed")])
    from importlib.metadata import distribution

    found = distribution("hubmerge")
    assert found.version == hubmerge.__version__
    assert all(file.locate().is_file() for file in found.files or ())
    assert any(point.name == "hubmerge" for point in found.entry_points)


@pytest.mark.parametrize("typed", ["HEAVY", "heavy=2", "HUBMERGE_APP_HEAVIER=2", "=2"])
def test_what_is_no_variable_is_refused(typed: str) -> None:
    with pytest.raises(RecipeError):
        variables([typed])


def test_variables_are_read() -> None:
    typed = ["HUBMERGE_APP_HEAVY=2", "HUBMERGE_PLUGINS=a,b", "HUBMERGE_APP_ROOT=/data"]
    assert variables(typed)["HUBMERGE_PLUGINS"] == "a,b"
