"""Whether what a merge was made from is still there, as it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubmerge.errors import AccessError, HubmergeError, NotFoundError, WeightsError
from hubmerge.hub.client import RepoType
from hubmerge.hub.source import resolve
from hubmerge.pipeline.sources import BASE, DATASET
from hubmerge.recipe import Recipe
from hubmerge.utils.parent_names import display_name, roles


@dataclass(frozen=True)
class FoundSources:
    """What became of the sources."""

    gone: dict[str, str]
    """Role -> why it is not to be had."""
    remarks: list[str]

    @property
    def gone_parents(self) -> list[str]:
        """Why parents are not to be had."""
        return [why for role, why in self.gone.items() if role != DATASET]


def look_for(recipe: Recipe, *, paths: bool) -> FoundSources:
    """Looks for every source of a `recorded` recipe.

    paths: whether local folders may lie anywhere; else only here, in the working directory, as a
    recipe from the Hub must not choose what is read on this machine.
    Raises: HubUnavailableError, and what is wrong with a name.
    """
    refs = dict(zip(roles("model", len(recipe.models)), recipe.models, strict=True))
    if recipe.base is not None:
        refs[BASE] = recipe.base
    if recipe.dataset is not None:
        refs[DATASET] = recipe.dataset.id
    found = FoundSources({}, [])
    for role, ref in refs.items():
        named = {DATASET: "the data set", BASE: "the base"}
        name = named.get(role) or display_name(role.replace("model", "parent"))
        kind: RepoType = "dataset" if role == DATASET else "model"
        try:
            if role in recipe.shas:
                _check_folder(ref, kind, recipe.shas[role], paths)
            else:
                resolve(ref, kind)
                found.remarks.extend(_moved(name, ref, kind))
        except (NotFoundError, AccessError) as error:
            lines = [error.what, *(error.found or "").splitlines()]
            found.gone[role] = f"{name}, {ref}: {'; '.join(lines)}"
    return found


def _check_folder(ref: str, kind: RepoType, sha: str, paths: bool) -> None:
    """Raises: NotFoundError, unless the folder `ref` is here and holds what it held."""
    plain = Path(ref).name == ref and ref != ".."
    if not Path(ref).is_dir() or not (paths or plain):
        raise NotFoundError("there is no such folder here")
    try:
        here = resolve(f"./{ref}" if plain else ref, kind).sha
    except WeightsError as error:
        raise NotFoundError("the folder holds no weights any more") from error
    if here != sha:
        raise NotFoundError("the folder has changed", found=f"{here}, it was {sha}")


def _moved(name: str, ref: str, kind: RepoType) -> list[str]:
    """A remark, if the main branch is another commit now."""
    repo_id, _, sha = ref.partition("@")
    try:
        head = resolve(f"{repo_id}@main", kind).sha
    except HubmergeError:
        return []
    if head == sha:
        return []
    return [
        f"{name}, {repo_id}, has moved on to {head[:12]}; what was checked is the recorded commit "
        f"{sha[:12]}"
    ]
