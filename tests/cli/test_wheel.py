"""The wheel, installed somewhere else: it brings its specs, merges and serves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import zoo

REPOSITORY = Path(__file__).parents[2]
SOURCES = ("hubmerge", "model_specs", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the repository."""
    clone = tmp_path_factory.mktemp("clone")
    for name in SOURCES:
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, clone / name)
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", clone / "dist", clone]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    (built,) = (clone / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content and its command in `bin`."""
    place = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-index", "--quiet", "--target", place, wheel]
    subprocess.run([sys.executable, "-m", "pip", "install", *options], check=True)
    return place


@pytest.fixture
def environment(installed: Path, tmp_path: Path) -> dict[str, str]:
    """Where Python finds the installed package before any other."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return kept | {"PYTHONPATH": str(installed), "HF_HOME": str(tmp_path / "home")}


def run(installed: Path, environment: dict[str, str], cwd: Path, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, installed / "bin" / "hubmerge", *map(str, arguments)],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_is_missing_and_nothing_too_much(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    specs = {path.name for path in (REPOSITORY / "model_specs").glob("*.toml")}
    assert {Path(name).name for name in names if "/model_specs/" in name} >= specs
    assert {"LICENSE"} <= {Path(name).name for name in names}
    templates = [path.name for path in (REPOSITORY / "hubmerge").rglob("templates/*")]
    assert set(templates) <= {Path(name).name for name in names}
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"hubmerge"}
    assert not [name for name in names if "__pycache__" in name or "tests" in name]


def test_it_lists_its_families_and_merges(
    installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    where = "import hubmerge; print(hubmerge.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert found.stdout.startswith(str(installed))
    families = json.loads(run(installed, environment, tmp_path, "specs", "list", "--json"))
    assert set(families) >= set(zoo.MODEL_TYPES.values())
    data = zoo.write_data(tmp_path / "data", zoo.rows())
    folders = [
        zoo.write_model(tmp_path / name, zoo.vit(zoo.labelled()), "vit") for name in ("a", "b")
    ]
    arguments = [
        "merge",
        *folders,
        "--dataset",
        data,
        "--samples",
        50,
        "--effort",
        "quick",
        "-o",
        "out",
        "--json",
    ]
    report = json.loads(run(installed, environment, tmp_path, *arguments))
    assert report["method"]["family"] == "vit"
    assert (tmp_path / "out" / "barrier.png").is_file()


@pytest.fixture
def served(installed: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[list[str]]:
    """What `hubmerge hub serve` says when it is ready, while it serves."""
    command = [sys.executable, installed / "bin" / "hubmerge", "hub", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--root", tmp_path / "root"],
        env=environment | {"PYTHONUNBUFFERED": "1"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        while not lines or not lines[-1].startswith("Ctrl-C"):
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended"
        yield lines
        process.terminate()
        assert process.wait(timeout=60) == 0
        assert "everything is on disk" in process.stdout.read()


def test_it_serves(served: list[str]) -> None:
    assert served[0].startswith("Embedded Hub at http://127.0.0.1:")
    page = next(line.split()[-1] for line in served if "look at" in line)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(page) as answer:
        assert b"<html" in answer.read()
