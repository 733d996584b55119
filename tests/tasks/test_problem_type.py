"""Labels that do not exclude each other are not measured as if they did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hubmerge.errors import RecipeError
from hubmerge.hub.destination import Destination
from hubmerge.pipeline.plan import plan
from hubmerge.recipe import make_recipe
from hubmerge.tasks import why_not_one_of_n
from tests.helpers import texts
from tests.helpers.small_models import save, tiny_vit

ONE = {"id2label": {0: "age"}, "label2id": {"age": 0}}
OTHERS: list[dict[str, Any]] = [
    {"problem_type": "multi_label_classification"},
    {"problem_type": "regression"},
    ONE,
]


@pytest.mark.parametrize("kind", [None, "single_label_classification"])
def test_classes_that_exclude_each_other(kind: str | None) -> None:
    assert why_not_one_of_n(tiny_vit(problem_type=kind).config) is None


def test_a_model_without_classes() -> None:
    assert why_not_one_of_n(texts.gpt2().config) is None


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("fields", OTHERS, ids=str)
def test_measuring_is_refused_where_one_parent_says_so(
    fields: dict[str, Any], which: int, tmp_path: Path
) -> None:
    rest = ONE if fields is ONE else {}
    pair = [
        str(save(tmp_path / f"model{n}", tiny_vit(n, **(fields if n == which else rest))))
        for n in range(2)
    ]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.csv").write_text("label\ncat\n")
    measured = make_recipe(models=pair, match="none", dataset=str(tmp_path / "data"))
    with pytest.raises(RecipeError, match=r"cannot be measured.*(labels|numbers|number)"):
        plan(measured, Destination())
    plain = plan(make_recipe(models=pair, match="none"), Destination())
    assert any("problem_type" in remark for remark in plain.remarks) is (fields is not ONE)
    with pytest.raises(RecipeError, match="heads"):
        plan(make_recipe(models=pair, match="none", heads="concat"), Destination())
