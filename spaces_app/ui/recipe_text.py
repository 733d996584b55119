"""A recipe in the three ways people run one: a file, a command, a program. All give the same."""

from __future__ import annotations

import shlex
from typing import Any

import yaml

from hubmerge.errors import RecipeError
from hubmerge.recipe import Recipe, recipe_in
from spaces_app.service.limits import RECIPE_BYTES

DEEP = 4
"""Levels a recipe has, at most: lists and mappings within each other, and one to spare."""

OPTIONS = {
    "match": "--match",
    "symmetry": "--symmetry",
    "together": "--together",
    "fuse": "--fuse",
    "base": "--base",
    "repair": "--repair",
    "lambda": "--lambda",
    "labels": "--labels",
    "heads": "--heads",
    "learning_steps": "--learning-steps",
    "seed": "--seed",
    "samples": "--samples",
    "calibration_samples": "--calibration-samples",
    "train_samples": "--train-samples",
    "path_points": "--path-points",
}
"""Field of a recipe -> what the command line calls it."""
DATA_OPTIONS = {
    "id": "--dataset",
    "config": "--dataset-config",
    "split": "--split",
    "calibration_split": "--calibration-split",
    "image_column": "--image-column",
    "feature_column": "--feature-column",
    "label_column": "--label-column",
    "text_column": "--text-column",
    "tokens": "--tokens",
}


def as_command(recipe: Recipe) -> str:
    """The command line."""
    given = _given(recipe)
    words = ["hubmerge", "merge", *recipe.models]
    for name, value in (given.get("dataset") or {}).items():
        words += [DATA_OPTIONS[name], str(value)]
    for name, option in OPTIONS.items():
        if name in given:
            words += [option, str(given[name])]
    if recipe.weights:
        words += ["--weights", ",".join(f"{weight!r}" for weight in recipe.weights)]
    for name, value in recipe.fuse_options.items():
        words += [
            "--fuse-option",
            f"{name}={str(value).lower()}" if isinstance(value, bool) else f"{name}={value}",
        ]
    repeated = (("--only", recipe.only), ("--keep", recipe.keep), ("--survey", recipe.survey))
    for option, given_names in repeated:
        for name in given_names:
            words += [option, name]
    if recipe.best:
        words.append("--best")
    return shlex.join(words)


def as_python(recipe: Recipe) -> str:
    """The program."""
    given = _given(recipe)
    given.pop("models", None)
    if "lambda" in given:
        given["lam"] = given.pop("lambda")
    data = given.get("dataset")
    if data and set(data) == {"id"}:
        given["dataset"] = data["id"]
    for name in ("weights", "only", "keep", "survey"):
        if name in given:
            given[name] = tuple(given[name])
    lines = [f"    models={recipe.models!r},", *(f"    {k}={v!r}," for k, v in given.items())]
    program = ["import hubmerge as hm", "", "result = hm.run(hm.Recipe(", *lines, "))", ""]
    return "\n".join([*program, "print(result.report.verdict_sentence)"])


def from_yaml(text: str, most: int = RECIPE_BYTES) -> Recipe:
    """The recipe somebody sent, of `most` bytes. Raises: RecipeError."""
    if len(text.encode(errors="replace")) > most:
        raise RecipeError("this is too long for a recipe", found=f"at most {most:,} bytes")
    try:
        _refuse_tricks(text)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # also of numbers and dates there cannot be
        raise RecipeError("this is not YAML", found=str(error)[:300]) from error
    return recipe_in(content)


def _refuse_tricks(text: str) -> None:
    """Raises: RecipeError, for what is small as a file and large once it is read."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise RecipeError("this recipe repeats itself by reference", hint="write it out")
        if depth > DEEP:
            raise RecipeError("this is no recipe", found=f"more than {DEEP} levels")


def _given(recipe: Recipe) -> dict[str, Any]:
    """What differs from the defaults."""
    return recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True)
