"""Reading recipes from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.errors.wording import quoted
from hubmerge.recipe.places import came_with_a_merge, with_folders, without_places
from hubmerge.recipe.recipe import Recipe
from hubmerge.recipe.words import DEEPEST, RECIPE_BYTES, RECIPE_FILE
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.foreign import system_error
from hubmerge.utils.untrusted import Unreadable, read_text
from hubmerge.utils.untrusted_yaml import UnreadableYamlError, read_yaml


@checked
def read_recipe(path: str | Path, folders: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in a file (or in a folder that holds `hubmerge.yaml`).

    A path to an alignment is relative to the file. Paths in a recipe of your own are opened when
    it is carried out; one that came with a merge names repositories at their commits and folders by
    their content, and nothing else in it is opened.

    Parameters:
        folders: where folders lie that the recipe names: name, or role such as "model_b", -> path.

    Raises: NotFoundError, RecipeError.
    """
    path = file = Path(path)
    try:
        file = path / RECIPE_FILE if path.is_dir() else path
        text = read_text(file, RECIPE_BYTES)
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no recipe {quoted(str(path))}", hint=f"give a {RECIPE_FILE}, or its folder"
        ) from None
    except Unreadable as error:
        raise RecipeError(f"{str(file)!r} is not YAML", found=str(error)) from error
    except OSError as error:
        raise system_error(error) or error from error
    recipe = recipe_from(text, str(file))
    if came_with_a_merge(recipe, file):
        recipe = without_places(recipe, str(file))
    recipe = with_folders(recipe, {name: str(place) for name, place in (folders or {}).items()})
    if recipe.alignment:
        beside = str(file.parent / recipe.alignment)
        recipe = recipe.model_copy(update={"alignment": beside})
    return recipe


def recipe_from(text: str, file: str = "the recipe") -> Recipe:
    """The recipe that the text of a file says, as it says it. Raises: RecipeError."""
    try:
        content = read_yaml(text, most=RECIPE_BYTES, deepest=DEEPEST)
    except UnreadableYamlError as error:
        raise RecipeError(f"{file!r} is not YAML", found=str(error)) from error
    return recipe_in(content, file)


def recipe_in(content: Any, file: str = "the recipe") -> Recipe:
    """The recipe that a file's YAML holds. Raises: RecipeError, in the words of such a file."""
    if not isinstance(content, dict):
        raise RecipeError(
            f"{file} is no recipe",
            found=f"a {type(content).__name__}",
            hint=f"a {RECIPE_FILE}, as lies beside every merge",
        )
    return Recipe.model_validate(content, context=file)
