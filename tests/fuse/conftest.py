"""Models with a history, and merges of their folders."""

from __future__ import annotations

import pytest

import hubmerge as hm
from hubmerge.utils.progress import be_quiet
from tests.helpers.training_history import history

FEW = {"samples": 100, "calibration_samples": 100}


@pytest.fixture(scope="package")
def past(tmp_path_factory):
    be_quiet()
    return history(tmp_path_factory.mktemp("past"))


@pytest.fixture
def merge(past, tmp_path):
    """A merge of folders with these fields of a recipe: its report, and where it lies."""

    def do(*models, data=True, out="out", **fields):
        given = {"dataset": str(past.data), **FEW} if data else {}
        given |= {"effort": "quick"}
        recipe = hm.Recipe(models=tuple(map(str, models)), **(given | fields))
        result = hm.run(recipe, hm.Destination(out=tmp_path / out))
        return result.report, result.folder

    return do
