"""Which places of this machine a recipe's file may name: its writer's own, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hubmerge.errors import RecipeError
from hubmerge.recipe.recipe import Recipe
from hubmerge.recipe.refs import refs_of, with_refs
from hubmerge.utils.pinned_refs import CONTENT, HASH, folder_name, is_pinned


def came_with_a_merge(recipe: Recipe, file: Path) -> bool:
    """Whether hubmerge wrote the file, here or elsewhere, or it was brought from the Hub."""
    cached = any(part.startswith(("models--", "datasets--")) for part in file.absolute().parts)
    return recipe.arithmetic is not None or cached or (file.parent / "report.json").is_file()


def without_places(recipe: Recipe, file: str) -> Recipe:
    """A recipe from elsewhere, its folders by their content, its alignment beside it.

    Raises: RecipeError, if it names a place.
    """

    def pinned(role: str, ref: str) -> str:
        sha = recipe.shas.get(role, "")
        if not is_pinned(ref) and HASH.fullmatch(sha):
            return f"{folder_name(ref)}@{sha}"
        if is_pinned(ref):
            return ref
        raise RecipeError(
            f"{file} came with a merge, and names {ref!r}, which is no state of anything",
            found=f"{role}, neither at a commit nor by its content",
            hint="in a recipe of your own leave out `arithmetic`, and keep it apart from a merge",
            field="models",
        )

    named = with_refs(recipe, {role: pinned(role, ref) for role, ref in refs_of(recipe).items()})
    update: dict[str, object] = {"shas": {}}
    if recipe.alignment:
        update["alignment"] = folder_name(recipe.alignment)
    return named.model_copy(update=update)


def with_folders(recipe: Recipe, folders: Mapping[str, str]) -> Recipe:
    """The recipe with the folders that a user named. Raises: RecipeError, if it has no such."""
    refs, shas, used = refs_of(recipe), dict(recipe.shas), set()
    for role, ref in refs.items():
        for name in (role, folder_name(ref)):
            if name in folders:
                used.add(name)
                refs[role] = str(Path(folders[name]).expanduser().absolute())
                content = CONTENT.fullmatch(ref)
                shas |= {role: content["sha"]} if content else {}
                break
    if unknown := sorted(folders.keys() - used):
        raise RecipeError(
            f"the recipe names no folder {unknown[0]!r}",
            found=", ".join(refs.values()),
            field="folders",
        )
    return with_refs(recipe, refs).model_copy(update={"shas": shas}) if used else recipe
