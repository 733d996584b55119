"""Whether what a merge was made from is still there, as it was."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubmerge.errors import AccessError, HubmergeError, NotFoundError, RecipeError, WeightsError
from hubmerge.hub.client import RepoType
from hubmerge.hub.known_folders import remember_folder
from hubmerge.hub.source import head_of, resolve
from hubmerge.pipeline.sources import source_name
from hubmerge.recipe import DATASET, Recipe, refs_of
from hubmerge.utils.pinned_refs import CONTENT, PINNED
from hubmerge.utils.row_files import local_noun


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


def look_for(
    recipe: Recipe, folders: Mapping[str, str], in_memory: Collection[str] = ()
) -> FoundSources:
    """Looks for every source of a `recorded` recipe.

    A folder is found by its content alone: where this user merged or named it before, or where
    `folders` (name or role -> path) says that it lies. `in_memory`: roles of what was none.
    Raises: HubUnavailableError; RecipeError, if `folders` names what is none of the sources.
    """
    found = FoundSources({}, [])
    refs = refs_of(recipe)
    _note(refs, folders)
    for role, ref in refs.items():
        name = source_name(role)
        kind = _kind(role)
        try:
            resolve(ref, kind)
            if PINNED.fullmatch(ref):
                found.remarks.extend(_moved(name, ref, kind))
            else:
                given = ref.partition("@")[0]
                noun = local_noun(given)
                what = f"a {noun} of the publisher's"
                if role in in_memory:
                    what = "an object in the publisher's memory"
                found.remarks.append(
                    f"{name}, {given}, was {what}: only who has a {noun} of the same content can "
                    "make this merge again"
                )
        except (NotFoundError, AccessError) as error:
            lines = [
                error.what,
                *([] if CONTENT.fullmatch(ref) else (error.found or "").splitlines()),
            ]
            if role in in_memory:
                lines = ["an object in the publisher's memory: others cannot make this merge again"]
            found.gone[role] = f"{name}, {ref}: {'; '.join(lines)}"
    return found


def _kind(role: str) -> RepoType:
    return "dataset" if role == DATASET else "model"


def _note(refs: Mapping[str, str], folders: Mapping[str, str]) -> None:
    """Notes where the user says that folders lie. Raises: RecipeError."""
    used: set[str] = set()
    for role, ref in refs.items():
        content = CONTENT.fullmatch(ref)
        name = next((each for each in (role, content and content["name"]) if each in folders), None)
        if content is None or name is None:
            continue
        used.add(name)
        folder = Path(folders[name]).expanduser().absolute()
        try:
            sha = resolve(str(folder), _kind(role)).sha
        except WeightsError as error:
            raise RecipeError(f"{folder} is not {ref}", found=error.what, field="folders") from None
        if sha != content["sha"]:
            raise RecipeError(
                f"{folder} is not {ref}", found=f"its content is {sha}", field="folders"
            )
        remember_folder(sha, folder)
    if unknown := sorted(folders.keys() - used):
        raise RecipeError(
            f"the merge was made from no folder {unknown[0]!r}",
            found=", ".join(refs.values()),
            field="folders",
        )


def _moved(name: str, ref: str, kind: RepoType) -> list[str]:
    """A remark, if the main branch is another commit now."""
    repo_id, _, sha = ref.partition("@")
    try:
        head = head_of(repo_id, kind)
    except HubmergeError:
        return []
    if head == sha:
        return []
    return [
        f"{name}, {repo_id}, has moved on to {head[:12]}; what was checked is the recorded commit "
        f"{sha[:12]}"
    ]
