"""Merges that are already made: reading their reports, publishing their folders."""

from __future__ import annotations

from pathlib import Path

from hubmerge.destination import Destination
from hubmerge.errors import ConflictError, HubmergeError
from hubmerge.hub import Published, check_target, publish, resolve
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.pins import without_paths
from hubmerge.recipe import RECIPE_FILE, Recipe, read_recipe
from hubmerge.reporting.schema import Report
from hubmerge.reporting.write import write_report
from hubmerge.save import weight_hashes

REPORT = "report.json"


def read_report(ref: str) -> Report:
    """The report of a merge: a folder, or a repository on the Hub.

    Raises: NotFoundError, RecipeError if it is none that this version reads.
    """
    source = resolve(ref)
    if source.folder is None and REPORT in file_sizes(source):
        return Report.read(fetch_file(source, REPORT).parent)
    return Report.read(source.folder or Path(ref))


def finished(folder: Path, recipe: Recipe) -> Report | None:
    """The report in `folder` if it is the whole result of exactly this pinned `recipe`."""
    if not (folder / REPORT).is_file() or not (folder / RECIPE_FILE).is_file():
        return None
    try:
        report, written = Report.read(folder), read_recipe(folder)
    except HubmergeError:
        return None
    same = _bare(written) == _bare(recipe)
    return report if same and weight_hashes(folder) == report.weights_sha256 else None


def _bare(recipe: Recipe) -> str:
    """The recipe's text, an alignment told by its name wherever it lies."""
    name = Path(recipe.alignment).name if recipe.alignment else None
    return recipe.model_copy(update={"alignment": name}).to_yaml()


def publish_folder(folder: Path, destination: Destination) -> Published:
    """Publishes what a run wrote, its card naming the repository it lies in.

    Raises: NotFoundError, if it holds no report; ConflictError, if its weights are not those the
    report speaks of; TargetError, AccessError, HubUnavailableError as `publish`.
    """
    report = Report.read(folder)
    found = weight_hashes(folder)
    if found != report.weights_sha256:
        changed = sorted(
            name
            for name in {*found, *report.weights_sha256}
            if found.get(name) != report.weights_sha256.get(name)
        )
        raise ConflictError(
            f"the weights in {folder} are not those its report speaks of",
            found=f"changed: {', '.join(changed)}",
            hint="merge again: hubmerge merge --recipe " + str(folder / RECIPE_FILE),
        )
    repo = destination.push or ""
    hidden = (
        report.licence.private_by_default if destination.private is None else destination.private
    )
    target = check_target(
        None,
        repo,
        exist_ok=True,  # `publish` decides: the same files again are no conflict
        create_pr=destination.create_pr,
        revision=destination.revision,
        private=hidden,
    )
    write_report(report, folder, repo)
    recipe = without_paths(read_recipe(folder), [parent.id for parent in report.models])
    (folder / RECIPE_FILE).write_text(recipe.to_yaml(), encoding="utf-8")
    return publish(
        folder,
        repo,
        private=hidden,
        create_pr=destination.create_pr,
        revision=destination.revision,
        exist_ok=destination.exist_ok,
        parent=target.head,
    )
