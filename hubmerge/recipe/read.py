"""Reading recipes from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.recipe.recipe import Recipe
from hubmerge.recipe.words import RECIPE_FILE
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.foreign import system_error
from hubmerge.utils.limits import RECIPE_BYTES
from hubmerge.utils.untrusted import Unreadable, read_text
from hubmerge.utils.untrusted_yaml import read_yaml


@checked
def read_recipe(path: str | Path) -> Recipe:
    """The recipe in a file (or in a folder that holds `hubmerge.yaml`).

    A path to an alignment is relative to the file. Raises NotFoundError, RecipeError.
    """
    path = file = Path(path)
    try:
        file = path / RECIPE_FILE if path.is_dir() else path
        content = read_yaml(read_text(file, RECIPE_BYTES), most=RECIPE_BYTES)
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no recipe {str(path)!r}", hint=f"give a {RECIPE_FILE}, or its folder"
        ) from None
    except Unreadable as error:
        raise RecipeError(f"{str(file)!r} is not YAML", found=str(error)) from error
    except OSError as error:
        raise system_error(error) or error from error
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
