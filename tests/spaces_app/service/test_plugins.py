"""The app uses plugins that its owner names, and no others."""

from __future__ import annotations

import pytest

from hubmerge.errors import RecipeError
from hubmerge.fuse import find_fusion
from hubmerge.registry import allow_plugins, registry
from spaces_app.service.plugins import VARIABLE, allow_named_plugins
from tests.helpers import plugin


@pytest.fixture(autouse=True)
def extras(tmp_path, monkeypatch):
    """An installed plugin that the owner has not named."""
    monkeypatch.syspath_prepend(str(plugin.install(tmp_path / "site")))
    monkeypatch.delenv(VARIABLE, raising=False)
    allow_plugins(None)
    yield
    monkeypatch.undo()
    allow_plugins(None)


def test_none_is_used_by_default():
    assert "median" in registry("fusions")
    allow_named_plugins()
    assert "median" not in registry("fusions")


def test_those_named_are_used(monkeypatch):
    monkeypatch.setenv(VARIABLE, " hubmerge-extras ,")
    allow_named_plugins()
    assert find_fusion("median").name == "median"


def test_a_name_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setenv(VARIABLE, "hubmerge-extra")
    with pytest.raises(RecipeError, match="HUBMERGE_PLUGINS=hubmerge-extra") as refused:
        allow_named_plugins()
    assert "hubmerge-extras" in (refused.value.hint or "")
    assert "median" not in registry("fusions")
