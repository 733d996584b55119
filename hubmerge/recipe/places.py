"""Which places of this machine a recipe's file may name: its writer's own, and no others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import gettempdir

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.recipe.recipe import Recipe
from hubmerge.recipe.refs import refs_of, with_refs
from hubmerge.utils.pinned_refs import CONTENT, HASH, folder_name, is_pinned

Confirm = Callable[[Mapping[str, str]], bool]
"""Asks the user whether places may be opened: role -> path, as the recipe writes it."""

ALIGNMENT = "alignment"
"""Role of the alignment, beside those of models and data."""
MARKS = ("/", "./", "~")
FOREIGN = re.compile(r"[A-Za-z]:[\\/]|\\")
"""What paths of another system begin with."""


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


def own_places(
    recipe: Recipe, file: Path, folders: Mapping[str, str], confirm: Confirm | None
) -> Recipe:
    """A recipe that nothing marks as another's, with its paths taken from the file's own folder.

    A recipe that was downloaded looks like one that its reader wrote. So a path is opened
    unasked only below the folder of the file, if that is a folder for the purpose and not one in
    which a user keeps everything.

    Raises: RecipeError, if it names other places, which are not in `folders` and not
    confirmed.
    """
    home, asked = file.parent, refs_of(recipe)
    asked |= {ALIGNMENT: recipe.alignment} if recipe.alignment else {}
    inside, outside = dict[str, str](), dict[str, str]()
    for role, ref in asked.items():
        if is_pinned(ref) or {role, folder_name(ref)} & folders.keys():
            continue
        path, marked = home / _expanded(ref), role == ALIGNMENT or is_marked(ref)
        own = not (_holds_everything(home) or FOREIGN.match(ref)) and _is_within(path, home)
        if own and (marked or _exists(path)):
            inside[role] = str(path.absolute())
        elif marked or _exists(path) or _exists(Path(ref)):
            outside[role] = ref
    if outside and not (confirm is not None and confirm(outside)):
        raise _outside(file, outside)
    there = with_refs(recipe, {**asked, **inside})
    there = there.model_copy(update={ALIGNMENT: inside.get(ALIGNMENT, recipe.alignment)})
    return with_folders(there, folders)


def _outside(file: Path, places: Mapping[str, str]) -> RecipeError:
    role, ref = next(iter(places.items()))
    given = option(f"folders.{role}", ref)
    return RecipeError(
        f"{file} names places of this machine, and lies itself where users keep everything"
        if _holds_everything(file.parent)
        else f"{file} names places of this machine that do not lie in its own folder",
        found="\n".join(f"{role}: {ref}" for role, ref in places.items()),
        hint=f"if it is yours: {given}"
        if len(places) == 1
        else f"if they are yours: {given}, and so for the others",
        field="folders",
    )


def is_marked(ref: str) -> bool:
    """Whether a reference can only be to a place of this machine, by its form."""
    parts = ref.split("/")
    return ref.startswith(MARKS) or parts == ["."] or ".." in parts or bool(FOREIGN.match(ref))


def _expanded(ref: str) -> Path:
    try:
        return Path(ref).expanduser()
    except RuntimeError:  # ~user, of a user there is not
        return Path(ref)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _is_within(path: Path, folder: Path) -> bool:
    """Whether a path lies below a folder, links followed."""
    try:
        real, own = path.resolve(), folder.resolve()
    except (OSError, RuntimeError, ValueError):
        return False
    return real != own and real.is_relative_to(own)


def _holds_everything(folder: Path) -> bool:
    """Whether it is the user's home, a folder above it, or one that all users share."""
    own = folder.resolve()
    return any(place.resolve().is_relative_to(own) for place in (Path.home(), Path(gettempdir())))


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
    update: dict[str, object] = {"shas": shas}
    if recipe.alignment and ALIGNMENT in folders:
        used.add(ALIGNMENT)
        update[ALIGNMENT] = str(Path(folders[ALIGNMENT]).expanduser().absolute())
    if unknown := sorted(folders.keys() - used):
        raise RecipeError(
            f"the recipe names no folder {unknown[0]!r}",
            found=", ".join(refs.values()),
            field="folders",
        )
    return with_refs(recipe, refs).model_copy(update=update) if used else recipe
