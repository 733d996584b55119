"""Find the result of a recipe that an earlier run left, here or on the Hub."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from hubmerge.errors import HubmergeError, NotFoundError, RecipeError
from hubmerge.hub.client import endpoint
from hubmerge.hub.destination import Destination
from hubmerge.hub.fetch import fetch_file
from hubmerge.hub.proposals import own_proposals
from hubmerge.hub.publish import Published
from hubmerge.hub.source import Source, resolve
from hubmerge.hub.target import RemoteRepo, check_folder, check_push_options, look_at
from hubmerge.matching.alignment_files import is_alignment
from hubmerge.matching.match_files import TENSORS
from hubmerge.pipeline.weight_hashes import weight_hashes
from hubmerge.recipe import RECIPE_FILE, Recipe, read_recipe
from hubmerge.reporting.schema.report import Report
from hubmerge.utils.atomic_folder import atomic_folder

REPORT = "report.json"


def identity(recipe: Recipe) -> str:
    """sha256 over all that decides the bytes of a merge; an alignment counts by its content."""
    path = Path(recipe.alignment) if recipe.alignment else None
    files = [] if path is None else [path] if path.is_file() else sorted(path.rglob(TENSORS))
    contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    bare = recipe.model_copy(update={"alignment": " ".join(contents) or None})
    return hashlib.sha256(bare.to_yaml().encode()).hexdigest()


def title_of(wanted: str) -> str:
    """The title of the commit or pull request that publishes the recipe of identity `wanted`."""
    return f"Upload a model merged with hubmerge (recipe {wanted[:12]})"


def finished(folder: Path, wanted: str) -> Report | None:
    """The report in `folder`, if it is the whole result of the recipe of identity `wanted`."""
    if not (folder / REPORT).is_file() or not (folder / RECIPE_FILE).is_file():
        return None
    try:
        report, written = Report.read(folder), read_recipe(folder, trust_remote_code=True)
    except HubmergeError:
        return None
    same = identity(written) == wanted
    return report if same and weight_hashes(folder) == report.weights_sha256 else None


@dataclass(frozen=True)
class Found:
    """The result of a recipe on the Hub: its commit, all that lies there, and how it came there."""

    source: Source
    there: RemoteRepo
    published: Published


def bring_finished(out: Path, wanted: str, destination: Destination) -> Published | None:
    """Downloads the result of the recipe of identity `wanted` into `out`, if it is published.

    None if it is not there. Raises: as `find_finished`; TargetError, if `out` is taken.
    """
    found = find_finished(wanted, destination)
    if found is None:
        return None
    _bring(found.source, found.there, out)
    return found.published


def find_finished(wanted: str, destination: Destination) -> Found | None:
    """The result of the recipe of identity `wanted`, where it would be pushed.

    Looks at the branch, or with `create_pr` at one's own open pull requests as well. None if it is
    not there; what cannot be read is not it.
    Raises: as `check_push_options`; HubUnavailableError.
    """
    repo_id = check_push_options(
        destination.push or "", create_pr=destination.create_pr, revision=destination.revision
    )
    repo = look_at(repo_id, destination.revision)
    if repo is None:
        return None
    url = f"{endpoint()}/{repo_id}"
    places: list[tuple[RemoteRepo, str | None]] = [(repo, None)] if repo.has_branch else []
    if destination.create_pr:
        own = own_proposals(repo_id, title_of(wanted))
        places += [(each.repo, each.url) for each in own]
    for there, pr_url in places:
        source = resolve(f"{repo_id}@{there.head}")
        if {REPORT, RECIPE_FILE} <= set(there.files) and _is_result(source, there, wanted):
            return Found(source, there, Published(repo_id, url, there.head, pr_url, changed=False))
    return None


def _is_result(source: Source, there: RemoteRepo, wanted: str) -> bool:
    """Whether the commit holds the whole result of the recipe of identity `wanted`."""
    for name in filter(is_alignment, there.files):
        fetch_file(source, name)
    folder = fetch_file(source, RECIPE_FILE).parent
    fetch_file(source, REPORT)
    try:
        report, written = Report.read(folder), read_recipe(folder, trust_remote_code=True)
    except (NotFoundError, RecipeError):
        return False
    weights = {name: there.files.get(name) for name in report.weights_sha256}
    return weights == report.weights_sha256 and identity(written) == wanted


def _bring(source: Source, there: RemoteRepo, out: Path) -> None:
    check_folder(out)
    with atomic_folder(out) as partial:
        for name in sorted(there.files):
            if not name.startswith((".", "/")) and ".." not in name:
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(fetch_file(source, name), partial / name)
