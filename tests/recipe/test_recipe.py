"""What follows from the fields of a recipe, and how another recipe is made of one."""

from __future__ import annotations

import pickle

import pytest

import hubmerge as hm
from hubmerge.errors import RecipeError

TWO = ("org/a", "org/b")


def test_two_weights_are_a_lambda():
    weighed = hm.Recipe(models=TWO, weights=(0.3, 0.7))
    assert weighed == hm.Recipe(models=TWO, lam=0.7)
    assert weighed.to_yaml() == "models:\n- org/a\n- org/b\nlambda: 0.7\n"


def test_a_base_chooses_a_fusion_that_takes_one_unless_one_is_named():
    based = hm.Recipe(models=TWO, base="org/c")
    assert (based.fuse, based.fuse_by_base) == ("ties", True)
    assert "fuse: ties\n" in based.to_yaml()
    for fuse in ("dare", "average"):
        named = hm.Recipe(models=TWO, base="org/c", fuse=fuse)
        assert (named.fuse, named.fuse_by_base) == (fuse, False)
    assert not hm.Recipe(models=TWO).fuse_by_base


def test_a_recipe_is_replaced_not_changed():
    recipe = hm.Recipe(models=TWO, dataset="org/d", seed=3)
    other = recipe.replace(fuse="slerp", lam=0.2)
    assert (other.fuse, other.lam, other.seed) == ("slerp", 0.2, 3)
    assert other.dataset == hm.DataRecipe(id="org/d")
    assert recipe.fuse == "auto"
    with pytest.raises(RecipeError, match="auto"):
        hm.Recipe(models=TWO).replace(lam="auto")


def test_a_recipe_crosses_processes():
    recipe = hm.Recipe(models=TWO, base="org/c", dataset="org/d")
    assert pickle.loads(pickle.dumps(recipe)) == recipe
