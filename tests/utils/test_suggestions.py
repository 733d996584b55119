"""A name with a slip in it is refused with the name that was meant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import hubmerge as hm
from hubmerge.errors import RecipeError
from hubmerge.fuse import find_fusion, fusions
from hubmerge.landscape.curves import curves
from hubmerge.landscape.curves.registry import find_curve
from hubmerge.matching import find_method, learners, matchers
from hubmerge.matching.multi import find_multi_matcher, multi_matchers
from hubmerge.pipeline.methods import checked_methods
from hubmerge.recipe import make_recipe
from hubmerge.repair import find_repair, repairs

FINDERS = [
    (find_fusion, fusions),
    (find_method, lambda: {**matchers(), **learners()}),
    (find_repair, repairs),
    (find_multi_matcher, multi_matchers),
    (find_curve, curves),
]


@pytest.mark.parametrize(("find", "known"), FINDERS)
def test_every_name_is_found_again_behind_a_slip(
    find: Callable[[str], object], known: Callable[[], dict[str, object]]
) -> None:
    for name in known():
        for slip in (name[:-1] + "_", name.upper(), name + "s"):
            with pytest.raises(RecipeError) as refused:
                find(slip)
            assert repr(name) in (refused.value.hint or ""), slip
            assert name in (refused.value.found or "")
    with pytest.raises(RecipeError) as refused:
        find("qqqqqq")
    assert refused.value.hint is None


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"match": "activation"}, "activations"),
        ({"fuse": "least-square"}, "least-squares"),
        ({"repair": "batch-norm", "dataset": "o/d"}, "batchnorm"),
        ({"multi_match": "cycle-consistant"}, "cycle-consistent"),
        ({"fuse": "ties", "base": "o/b", "fuse_options": {"densty": 0.1}}, "density"),
    ],
)
def test_a_recipe_says_what_may_have_been_meant(fields: dict, name: str) -> None:
    with pytest.raises(RecipeError, match=f"did you mean .*{name}"):
        checked_methods(hm.Recipe(models=("o/a", "o/b", "o/c"), **fields))


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"lamda": 0.5}, "lam"),
        ({"data_set": "o/d"}, "dataset"),
        ({"dataset": {"id": "o/d", "image_colum": "x"}}, "dataset.image_column"),
    ],
)
def test_so_does_a_field(fields: dict, name: str) -> None:
    with pytest.raises(RecipeError) as refused:
        make_recipe(models=("o/a", "o/b"), **fields)
    assert f"there is no such field; did you mean {name}=" in str(refused.value)
