"""hf merge: hubmerge as an extension of the `hf` command, as far as that goes without a network."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from huggingface_hub.cli import extensions
from typer.testing import CliRunner

from hubmerge.cli import hf_merge
from hubmerge.errors import RecipeError
from tests.helpers import zoo

FOLDER = Path(__file__).parents[2] / "extensions" / "hf-merge"


def test_the_folder_is_an_extension() -> None:
    """What `hf extensions install` asks of a repository."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    owner, repo, short = extensions._normalize_repo_id(f"me/{FOLDER.name}")
    assert (owner, repo, short) == ("me", "hf-merge", "merge")
    module, _, function = project["scripts"][extensions._get_executable_name(short)].partition(":")
    assert callable(getattr(sys.modules[module], function))
    own = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())["project"]
    assert own["scripts"]["hf-merge"] == project["scripts"]["hf-merge"]


@pytest.mark.parametrize(
    ("typed", "token", "rest"),
    [
        (["a/b", "c/d", "--token", "hf_x", "-q"], "hf_x", ["a/b", "c/d", "-q"]),
        (["--token=hf_x", "a/b"], "hf_x", ["a/b"]),
        (["a/b", "--", "--token", "x"], None, ["a/b", "--", "--token", "x"]),
        (["--tokens", "x"], None, ["--tokens", "x"]),
    ],
)
def test_a_token_is_taken_out(typed: list[str], token: str | None, rest: list[str]) -> None:
    assert hf_merge.without_token(typed) == (token, rest)


@pytest.mark.parametrize("typed", [["a/b", "--token"], ["--token="]])
def test_a_token_without_a_value_is_refused(typed: list[str]) -> None:
    with pytest.raises(RecipeError, match="has no value"):
        hf_merge.without_token(typed)


def test_it_has_the_flags_of_hf() -> None:
    shown = CliRunner().invoke(hf_merge.app, ["--help"], prog_name="hf merge")
    assert shown.exit_code == 0
    for flag in ("--json", "--quiet", "--private", "--revision", "hf merge"):
        assert flag in shown.output


@pytest.mark.slow
def test_hf_runs_it(tmp_path: Path) -> None:
    """Installed as `hf extensions install` leaves it, from this folder."""
    home, place = tmp_path / "home", tmp_path / "home/.local/share/hf/extensions/hf-merge"
    program = place / "venv/bin/hf-merge"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\nfrom hubmerge.cli.hf_merge import main\nmain()\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    extensions.ExtensionManifest(
        owner="me",
        repo="hf-merge",
        repo_id="me/hf-merge",
        short_name="merge",
        executable_path=str(program),
        type="python",
        installed_at=datetime.now(UTC),
        description="Merge independently trained models, measured",
    ).save(place)
    folders = zoo.train_parents("mlp", tmp_path / "parents")
    environment = {**os.environ, "HOME": str(home), "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    hf = [sys.executable, "-m", "huggingface_hub.cli.hf"]

    def run(*typed: object) -> subprocess.CompletedProcess[str]:
        command = [*hf, *map(str, typed)]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    assert "me/hf-merge" in run("extensions", "list").stdout
    out = tmp_path / "out"
    done = run("merge", *folders.values(), *zoo.BY_WEIGHTS, "-o", out, "--json", "--token", "x")
    assert done.returncode == 0, done.stderr
    assert (out / "model.safetensors").is_file()
    refused = run("merge", folders["a"])
    assert refused.returncode == RecipeError.exit_code
    assert "two models are needed" in refused.stderr
