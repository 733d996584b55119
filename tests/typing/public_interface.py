"""A user's script, for mypy alone: `make lint` checks its types and never runs it.

What must not pass is marked, and a mark that is not needed is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from datasets import Dataset
from transformers import PreTrainedModel

import hubmerge as hm


def recipes(model: PreTrainedModel, rows: Dataset) -> None:
    """Ids, objects and parts of recipes."""
    recipe = hm.Recipe(models=("me/left", "me/right"), dataset="me/data", fuse="ties", lam=0.3)
    assert_type(recipe.models, tuple[str, ...])
    assert_type(recipe.dataset, hm.DataRecipe | None)
    assert_type(recipe.base, str | None)
    assert_type(recipe.replace(fuse="slerp"), hm.Recipe)
    hm.Recipe(models=["me/left", "me/right"], dataset=hm.DataRecipe(id="me/data", split="test"))
    hm.Recipe(models=(model, hm.load("me/right")), base=model, dataset=rows)
    hm.Recipe(models=(Path("left"), Path("right")), base=Path("base"), dataset=Path("rows.csv"))
    hm.Recipe(models=("me/left", "me/right"), dataset=3)  # type: ignore[arg-type]
    hm.Recipe(models=("me/left", "me/right"), fues="ties")  # type: ignore[call-arg]
    hm.Recipe(fuse="ties")  # type: ignore[call-arg]
    assert_type(hm.read_recipe("both"), hm.Recipe)


def by_hand(model: PreTrainedModel, rows: Dataset) -> None:
    """The five lines."""
    a, b = hm.load("me/left"), hm.load(model)
    found = hm.match(a, model, by="weights", dataset=rows)
    assert_type(found, hm.Found)
    merged = hm.merge(a, found.apply(b), t=0.5)
    assert_type(merged, hm.Merged)
    assert_type(merged.save_pretrained("both"), Path)
    merged.push_to_hub("me/both", private=True)
    assert_type(hm.report(merged, found), str)
    hm.match(a, 3)  # type: ignore[call-overload]
    hm.mtach(a, b)  # type: ignore[attr-defined]


def whole(recipe: hm.Recipe) -> None:
    """The whole job, a plan, a diagnosis."""
    result = hm.run(recipe, out="both", push="me/both")
    assert_type(result, hm.MergeResult)
    assert_type(result.report.verdict_sentence, str)
    assert_type(hm.diagnose("me/left", "me/right", dataset="me/data").why, str)
    assert_type(hm.verify("me/both"), hm.Verification)
    assert_type(hm.plan(recipe).dtype, str)
