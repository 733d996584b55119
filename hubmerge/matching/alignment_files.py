"""The alignments of a merge as files: of two models one, of more a folder per parent after A.

Where parents are aligned with a common base, it is a folder per parent, A among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hubmerge.errors import RecipeError
from hubmerge.matching import Match, load_match, save_match
from hubmerge.matching.match_files import TENSORS
from hubmerge.specs.spec import Spec
from hubmerge.utils.parent_names import roles

FOLDER = "alignment"
"""Where they lie beside a merge of more than two models."""


def save_matches(matches: Sequence[Match], folder: Path, *, based: bool = False) -> None:
    """Writes into `folder`; of more than one match each into a folder of its own in it."""
    if len(matches) == 1:
        save_match(matches[0], folder)
        return
    for role, match in zip(matched_roles(len(matches), based=based), matches, strict=True):
        (folder / role).mkdir(parents=True)
        save_match(match, folder / role)


def load_matches(path: Path, spec: Spec, count: int, *, based: bool = False) -> tuple[Match, ...]:
    """The `count` matches saved at `path`, for models of `spec`.

    Raises: as `load_match`; RecipeError, if they were saved for another number of models.
    """
    if count == 1:
        return (load_match(path, spec),)
    found = sorted(each.name for each in path.iterdir()) if path.is_dir() else []
    wanted = matched_roles(count, based=based)
    if found != wanted:
        raise RecipeError(
            f"{str(path)!r} holds no alignment of {count + (not based)} models",
            found=", ".join(found) or "no folder",
            hint=f"folders {', '.join(wanted)} are needed, which merging or matching them leaves",
            field="alignment",
        )
    return tuple(load_match(path / role, spec) for role in found)


def is_alignment(name: str) -> bool:
    """Whether a file of a merge, named relative to its folder, holds an alignment's tensors."""
    *folders, file = name.split("/")
    return file == TENSORS and folders[:1] in ([], [FOLDER])


def matched_roles(count: int, *, based: bool) -> list[str]:
    """The parents that `count` matches are of: all but A, or all, where there is a base."""
    return roles("parent", count) if based else roles("parent", count + 1)[1:]
