"""What the pages say of the code is what the code says of itself."""

from __future__ import annotations

import importlib
import re

import pytest
import yaml
from pydantic_core import PydanticUndefined

from hubmerge.errors import INTERRUPTED, exit_codes
from hubmerge.recipe import DataRecipe, Recipe
from tests.helpers.pages import README, ROOT, blocks, table


def test_generated_parts_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    make_pages = importlib.import_module("make_pages")
    assert make_pages.refresh(check=True) == [], "run: .venv/bin/python docs/make_pages.py"


def test_every_exit_code_is_listed() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| (\d+) \| `(\w+)` \|", page, re.MULTILINE))
    assert listed == {str(code): name for name, (code, _) in exit_codes().items()}
    assert f"| {INTERRUPTED} |" in page


def test_every_field_of_a_recipe_is_described_with_its_default() -> None:
    page = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    for heading, kind in (("## Fields", Recipe), ("## Fields of `dataset`", DataRecipe)):
        listed = {row[0].strip("`"): row[1].strip("`") for row in table(page, heading)}
        assert listed == {
            field.alias or name: _shown(field.get_default(call_default_factory=True))
            for name, field in kind.model_fields.items()
        }


def _shown(default: object) -> str:
    if default is PydanticUndefined:
        return "required"
    return "none" if default is None else yaml.safe_dump(default).splitlines()[0]


def test_the_recipes_shown_are_some() -> None:
    for shown in blocks(ROOT / "docs" / "recipe.md", "yaml"):
        recipe = Recipe(**yaml.safe_load(shown.text))
        assert recipe.to_yaml() == shown.text


def test_the_family_shown_is_the_one_that_ships() -> None:
    (shown, *_) = blocks(ROOT / "docs" / "spec.md", "toml")
    shipped = (ROOT / "model_specs" / "mlp_head.toml").read_text(encoding="utf-8")
    assert shown.text == shipped.partition("\n# Small models for tests")[0]


def test_the_wheel_of_torch_is_the_one_everything_is_tested_with() -> None:
    (wanted,) = re.findall(r"torch==([\d.]+)", README.read_text(encoding="utf-8"))
    assert f"torch=={wanted}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")
