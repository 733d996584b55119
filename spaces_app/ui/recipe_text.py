"""A recipe in the three ways people run one: a file, a command, a program. All give the same."""

from __future__ import annotations

import shlex
from functools import reduce

from hubmerge.errors import RecipeError
from hubmerge.options.declared import options_of
from hubmerge.options.written import written
from hubmerge.recipe import DEEPEST, Recipe, recipe_in
from hubmerge.utils.untrusted_yaml import UnreadableYamlError, read_yaml
from spaces_app.service.limits import RECIPE_BYTES


def as_command(recipe: Recipe) -> str:
    """The command line."""
    words, stated = ["hubmerge", "merge", *recipe.models], recipe.stated()
    for field, option in options_of(type(recipe)).items():
        value = (
            reduce(getattr, field.split("."), recipe)
            if "." not in field or recipe.dataset
            else None
        )
        said = value not in (None, option.default) or option.name in stated
        if option.flags and not option.option.positional and said:
            words += written(option, value)
    return shlex.join(words)


def as_python(recipe: Recipe) -> str:
    """The program."""
    given = recipe.stated()
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
    """The recipe a visitor sent, of at most `most` bytes. Raises: RecipeError."""
    try:
        content = read_yaml(text, most=most, deepest=DEEPEST)
    except UnreadableYamlError as error:
        raise RecipeError("this is no recipe", found=str(error)) from error
    return recipe_in(content)
