"""The layers of docs/architecture.md are those that `make lint` checks, and leave nothing out."""

from __future__ import annotations

import re
import tomllib

from tests.helpers.pages import ROOT


def contract() -> list[set[str]]:
    """The packages of each layer, highest first, as pyproject.toml has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each["id"] == "layers")
    return [set(re.findall(r"[a-z_.]+", layer)) for layer in layers]


def test_the_page_shows_the_layers_of_the_contract() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE)
    assert [set(re.findall(r"`([a-z_.]+)`", row)) for row in rows] == contract()


def test_every_package_and_module_lies_in_one_layer() -> None:
    files = (ROOT / "hubmerge").glob("*.py")
    folders = (path.parent for path in (ROOT / "hubmerge").glob("*/__init__.py"))
    there = {f"hubmerge.{path.stem}" for path in (*files, *folders)} - {"hubmerge.__init__"}
    named = [name for layer in contract() for name in sorted(layer)]
    assert sorted(named) == sorted(set(named))
    assert there | {"spaces_app"} <= {*named}
