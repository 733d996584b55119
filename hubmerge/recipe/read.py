"""Reading recipes from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.recipe.recipe import Recipe
from hubmerge.recipe.words import RECIPE_FILE
from hubmerge.utils.checked_calls import checked


@checked
def read_recipe(path: str | Path) -> Recipe:
    """The recipe in a file (or in a folder that holds `hubmerge.yaml`).

    A path to an alignment is relative to the file. Raises NotFoundError, RecipeError.
    """
    path = Path(path)
    file = path / RECIPE_FILE if path.is_dir() else path
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no recipe {str(path)!r}", hint=f"give a {RECIPE_FILE}, or its folder"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{str(file)!r} is not YAML", found=str(error)) from error
    recipe = recipe_in(content, str(file))
    if recipe.alignment:
        beside = str(file.parent / recipe.alignment)
        recipe = recipe.model_copy(update={"alignment": beside})
    return recipe


def recipe_in(content: Any, file: str = "the recipe") -> Recipe:
    """The recipe that a file's YAML holds. Raises: RecipeError, in the words of such a file."""
    if not isinstance(content, dict):
        raise RecipeError(
            f"{file} is no recipe",
            found=f"a {type(content).__name__}",
            hint=f"a {RECIPE_FILE}, as lies beside every merge",
        )
    return Recipe.model_validate(content, context=file)
