"""Fields of a recipe that cannot go together: every contradiction names them all."""

from __future__ import annotations

import pytest

import hubmerge as hm
from hubmerge.cli.wording import COMMAND_LINE
from hubmerge.errors import RecipeError
from hubmerge.recipe import recipe_in

TWO, THREE = ("org/a", "org/b"), ("org/a", "org/b", "org/c")
DATA = "org/d"


@pytest.mark.parametrize(
    ("given", "fields", "said"),
    [
        (
            {"models": TWO, "lam": "auto"},
            ("lam", "dataset"),
            "--lambda auto is chosen on validation rows: add --dataset",
        ),
        ({"models": TWO, "train_samples": 3}, ("train_samples", "dataset"), "--train-samples 3"),
        ({"models": TWO, "survey": ("path",)}, ("survey", "dataset"), "add --dataset"),
        (
            {"models": TWO, "alignment": "x", "match": "weights"},
            ("match", "alignment"),
            "--alignment replaces matching: leave out --match",
        ),
        (
            {"models": TWO, "heads": "join", "align_labels": "index"},
            ("align_labels", "heads"),
            "--heads join goes by the names of labels",
        ),
        (
            {"models": TWO, "heads": "join", "survey": ("path",), "dataset": DATA},
            ("survey", "heads"),
            "leave out --survey, or leave out --heads",
        ),
        (
            {"models": TWO, "refine": "distill"},
            ("refine", "dataset"),
            "--refine distill learns on rows: add --dataset",
        ),
        (
            {"models": TWO, "refine": "distill", "heads": "join", "dataset": DATA},
            ("refine", "heads"),
            "which --heads join is not for: leave out --refine",
        ),
        (
            {"models": TWO, "refine": "distill", "only": ("vit.",), "dataset": DATA},
            ("refine", "only"),
            "--only vit. merges some: leave out --refine",
        ),
        (
            {"models": TWO, "path": "none", "path_points": 3, "dataset": DATA},
            ("path_points", "path"),
            "--path none leaves it out: leave out --path-points",
        ),
        (
            {"models": TWO, "path": "none", "train_samples": 3, "dataset": DATA},
            ("train_samples", "path"),
            "--train-samples 3 also measures the path",
        ),
        ({"models": TWO, "refine_steps": 9}, ("refine_steps", "refine"), "add --refine"),
        ({"models": THREE, "weights": (0.5, 0.5)}, ("weights", "models"), "2 weights for 3 models"),
        ({"models": TWO, "weights": (0.5, 0.6)}, ("weights",), "add up to 1.1, not to 1"),
        (
            {"models": TWO, "weights": (0.5, 0.5), "lam": 0.3},
            ("weights", "lam"),
            "--lambda 0.3 and --weights say the same thing",
        ),
        ({"models": THREE, "lam": 0.3}, ("lam", "weights"), "for 3, give --weights"),
        (
            {"models": TWO, "survey": ("path",), "repair": "repair", "dataset": DATA},
            ("survey", "repair"),
            "--survey path leaves the straight line, where --repair repair is not defined",
        ),
        ({"models": TWO, "survey": ("path", "path"), "dataset": DATA}, ("survey",), "named twice"),
        (
            {"models": TWO, "survey": ("simplex",), "dataset": DATA},
            ("survey", "models"),
            "--survey simplex takes three models or more",
        ),
        (
            {"models": THREE, "survey": ("plane",), "dataset": DATA},
            ("survey", "models"),
            "--survey plane takes two models",
        ),
    ],
)
def test_a_contradiction_names_its_fields(given, fields, said):
    with pytest.raises(RecipeError) as refused:
        hm.Recipe(**given)
    error = refused.value
    assert (error.field, error.fields) == (fields[0], fields)
    assert said in str(error.message.worded(COMMAND_LINE))


def test_a_contradiction_in_a_file_is_worded_as_files_are():
    with pytest.raises(RecipeError, match="lambda: auto is chosen") as refused:
        recipe_in({"models": [*TWO], "lambda": "auto"}, "hubmerge.yaml")
    assert refused.value.fields == ("lam", "dataset")


def test_fields_of_a_nested_part_are_named_with_the_part():
    with pytest.raises(RecipeError) as refused:
        hm.Recipe(models=TWO, dataset={"id": DATA, "tokens": 1})
    assert refused.value.fields == ("dataset.tokens",)
