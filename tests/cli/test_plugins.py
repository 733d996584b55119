"""A package with one file of each kind, installed beside hubmerge, used by the commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hubmerge.errors import UncheckedError
from hubmerge.specs.family import read_family
from tests.helpers import plugin
from tests.helpers.checking import set_figure
from tests.helpers.command_line import CommandLine
from tests.helpers.tiny import tiny_models

PLUGIN = {"package": "hubmerge-extras", "version": "0.1"}
WITH_PLUGIN = """
import sys
from hubmerge.cli import main
from hubmerge.registry import allow_plugins
sys.path.insert(0, {site!r})
allow_plugins(None)
sys.argv = ["hubmerge", *{arguments!r}]
main()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the plugin is installed."""
    return plugin.install(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def models(site: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three models of the plugin's family."""
    tiny = tiny_models(read_family(site / plugin.PACKAGE / "ijepa.toml"))["ijepa"]
    place = tmp_path_factory.mktemp("ijepa")
    for letter in "abc":
        tiny.build().save_pretrained(place / letter)
    return [place / letter for letter in "abc"]


def with_plugin(site: Path, *arguments: object) -> str:
    """A program that runs `hubmerge ...` where the plugin is installed."""
    return WITH_PLUGIN.format(site=str(site), arguments=[str(word) for word in arguments])


@pytest.fixture(scope="module")
def merge(
    site: Path,
    models: list[Path],
    hubmerge: CommandLine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A merge by the plugin's matcher, multi-matcher, fusion and family."""
    out = tmp_path_factory.mktemp("merge") / "out"
    methods = ("--match", "best-of-three", "--multi-match", "chain", "--fuse", "median")
    words = ("merge", *models, *methods, "--align-labels", "index", "-o", out)
    hubmerge(code=with_plugin(site, *words)).succeeded()
    return out


def test_its_methods_are_listed(site: Path) -> None:
    """In a process of its own that finds the plugin on its path."""
    done = subprocess.run(
        [sys.executable, "-m", "hubmerge.cli", "methods", "--json"],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    listed = json.loads(done.stdout)
    found = {each["name"]: each for each in listed if each.get("plugin")}
    names = [name for kind, some in plugin.entry_points().items() for name in some]
    assert set(found) == set(names) - {"ijepa", "small-cnn-classification"}
    assert all(each["plugin"] == PLUGIN for each in found.values())
    assert found["median"]["needs"] == "data-free"
    assert found["median"]["summary"] == "The median of every weight over the models."
    assert found["median"]["source"] == "arXiv:1803.01498, definition 1"


def test_a_merge_says_what_came_from_it(merge: Path) -> None:
    report = json.loads((merge / "report.json").read_text())
    used = {(each["kind"], each["name"]) for each in report["method"]["plugins"]}
    assert used == {
        ("matcher", "best-of-three"),
        ("multi-matcher", "chain"),
        ("fusion", "median"),
        ("family", "ijepa"),
    }
    assert all({k: each[k] for k in PLUGIN} == PLUGIN for each in report["method"]["plugins"])
    card = (merge / "README.md").read_text()
    assert "the fusion <code>median</code> comes from <code>hubmerge-extras</code> 0.1" in card
    assert card.count("pip install hubmerge-extras==0.1") == 1


def test_with_it_the_merge_is_verified(merge: Path, site: Path, hubmerge: CommandLine) -> None:
    code = with_plugin(site, "verify", merge, "--json")
    assert hubmerge(code=code).succeeded().json["outcome"] == "identical"


def test_another_version_of_it_is_said(
    merge: Path, site: Path, hubmerge: CommandLine, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(merge, tmp_path / "copy"))
    plugins = json.loads((copy / "report.json").read_text())["method"]["plugins"]
    set_figure(copy, "method", "plugins", to=[{**each, "version": "0.0"} for each in plugins])
    code = with_plugin(site, "verify", copy, "--level", "load", "--json")
    done = hubmerge(code=code).succeeded()
    assert done.json["remarks"] == [
        "made by hubmerge-extras 0.0, here is 0.1: where they differ, so may the merge "
        "(pip install hubmerge-extras==0.0)"
    ]


def test_without_it_verify_says_what_to_install(merge: Path, hubmerge: CommandLine) -> None:
    done = hubmerge("verify", merge).refused(UncheckedError, "could not be checked in full")
    assert "the fusion median of hubmerge-extras" in done.out
    assert "pip install hubmerge-extras==0.1" in done.out


def test_its_curve_and_repair_are_used_by_a_survey(
    site: Path, hubmerge: CommandLine, parents: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    methods = ("--match", "best-of-three", "--repair", "norms", "--curve", "two-pieces")
    rows = ("--dataset", "me/digits", "--samples", 60, "--calibration-samples", 60)
    models = ("me/mlp-a", "me/mlp-b")
    words = ("path", *models, *rows, *methods, "--steps", 5, "-o", tmp_path / "out")
    hubmerge(code=with_plugin(site, *words)).succeeded()
    found = json.loads((tmp_path / "out" / "path.json").read_text())
    used = {(each["kind"], each["name"]) for each in found["plugins"]}
    assert used == {("matcher", "best-of-three"), ("repair", "norms"), ("curve", "two-pieces")}
    assert "hubmerge-extras" in (tmp_path / "out" / "README.md").read_text()
