"""Reading recipes from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.errors.wording import quoted
from hubmerge.recipe.mergekit import is_mergekits, is_of_experts, recipe_of
from hubmerge.recipe.places import (
    ALIGNMENT,
    Confirm,
    came_with_a_merge,
    own_places,
    with_folders,
    without_places,
)
from hubmerge.recipe.recipe import Recipe
from hubmerge.recipe.words import DEEPEST, DEEPEST_OF_MERGEKIT, RECIPE_BYTES, RECIPE_FILE
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.foreign import system_error
from hubmerge.utils.untrusted import Unreadable, read_text
from hubmerge.utils.untrusted_yaml import UnreadableYamlError, read_documents, read_yaml


@checked
def read_recipe(
    path: str | Path,
    folders: Mapping[str, Any] | None = None,
    *,
    trust_remote_code: bool = False,
    confirm: Confirm | None = None,
) -> Recipe:
    """The recipe in a file (or in a folder that holds `hubmerge.yaml`).

    Paths are relative to the file. Those that lead to something below its folder are opened when
    the recipe is carried out; others only where they are in `folders`, or confirmed. A recipe that
    came with a merge names repositories at their commits and folders by their content, and nothing
    else in it is opened.

    Parameters:
        folders: where folders lie that the recipe names: name, or role such as "model_b", -> path.
        trust_remote_code: keep it on, where the recipe says so; otherwise it is off.
        confirm: asked for paths that lead elsewhere, role -> path; without it they are refused.

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
    trusted = recipe.trust_remote_code and trust_remote_code
    recipe = recipe.model_copy(update={"trust_remote_code": trusted})
    given = {name: str(place) for name, place in (folders or {}).items()}
    if not came_with_a_merge(recipe, file):
        return own_places(recipe, file, given, confirm)
    recipe = with_folders(without_places(recipe, str(file)), given)
    if recipe.alignment and ALIGNMENT not in given:
        beside = str(file.parent / recipe.alignment)
        recipe = recipe.model_copy(update={"alignment": beside})
    return recipe


def recipe_from(text: str, file: str = "the recipe") -> Recipe:
    """The recipe that the text of a file says, as it says it. Raises: RecipeError."""
    try:
        if is_mergekits(text):
            return _of_mergekits(text, file)
        if is_of_experts(text):
            raise RecipeError(
                f"{file} is written for mergekit-moe",
                found="experts, of dense models as they are",
                hint="only models of one architecture are merged here, mixtures of experts with "
                "others like them",
            )
        content = read_yaml(text, most=RECIPE_BYTES, deepest=DEEPEST, once=True)
    except UnreadableYamlError as error:
        raise RecipeError(f"{file!r} is not YAML", found=str(error)) from error
    return recipe_in(content, file)


def _of_mergekits(text: str, file: str) -> Recipe:
    """The recipe for a merge that is written for mergekit. Raises: RecipeError, Unreadable."""
    documents = read_documents(text, most=RECIPE_BYTES, deepest=DEEPEST_OF_MERGEKIT)
    return Recipe(**recipe_of(documents, file))


def recipe_in(content: Any, file: str = "the recipe") -> Recipe:
    """The recipe that a file's YAML holds. Raises: RecipeError, in the words of such a file."""
    if not isinstance(content, dict):
        raise RecipeError(
            f"{file} is no recipe",
            found=f"a {type(content).__name__}",
            hint=f"a {RECIPE_FILE}, as lies beside every merge",
        )
    return Recipe.model_validate(content, context=file)
