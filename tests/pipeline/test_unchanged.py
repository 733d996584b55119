"""A merge is named by what its folders held: none may change while it is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hubmerge.errors import DataError, HubmergeError, WeightsError
from hubmerge.hub.destination import Destination
from hubmerge.pipeline import run
from hubmerge.recipe import make_recipe
from tests.helpers.small_merges import write_mlp, write_rows


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ("b/model.safetensors", WeightsError),
        ("a/config.json", WeightsError),
        ("rows/test.parquet", DataError),
        ("a/notes.txt", None),
    ],
)
@pytest.mark.parametrize("gone", [False, True], ids=["written", "gone"])
def test_a_folder_that_changes_while_it_is_merged_is_refused(
    changed: str,
    error: type[HubmergeError] | None,
    gone: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = tuple(str(write_mlp(tmp_path / name, seed)) for seed, name in enumerate("ab"))
    (tmp_path / "a" / "notes.txt").write_text("mine")
    data = str(write_rows(tmp_path / "rows"))
    recipe = make_recipe(models=models, dataset=data, match="none", refine="none", samples=10)
    evaluate = run.evaluate

    def meanwhile(*given: Any) -> Any:
        found = evaluate(*given)
        if gone:
            (tmp_path / changed).unlink()
        else:
            os.utime(tmp_path / changed, (1, 1))
        return found

    monkeypatch.setattr(run, "evaluate", meanwhile)
    out = Destination(out=tmp_path / "out")
    if error is None:
        run.run(recipe.replace(path="none"), out)
        assert (tmp_path / "out").exists()
        return
    with pytest.raises(error, match="has changed while it was merged") as refused:
        run.run(recipe.replace(path="none"), out)
    assert refused.value.found == changed.partition("/")[2]
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "rows"}
