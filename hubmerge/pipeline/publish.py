"""Merges that are already made: reading their reports, publishing their folders."""

from __future__ import annotations

from pathlib import Path

from hubmerge.errors import ConflictError
from hubmerge.hub.destination import Destination
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.publish import Published, publish
from hubmerge.hub.source import resolve
from hubmerge.hub.target import check_target
from hubmerge.pipeline.existing import REPORT, bring_finished, finished, title_of
from hubmerge.pipeline.resolve import without_paths
from hubmerge.pipeline.save import weight_hashes
from hubmerge.recipe import RECIPE_FILE, Recipe, read_recipe
from hubmerge.reporting.card import render_card
from hubmerge.reporting.schema.report import Report

CARD = "README.md"


def read_report(ref: str) -> Report:
    """The report of a merge: a folder, or a repository on the Hub.

    Raises: NotFoundError, RecipeError if it is none that this version reads.
    """
    source = resolve(ref)
    if source.folder is None and REPORT in file_sizes(source):
        return Report.read(fetch_file(source, REPORT).parent)
    return Report.read(source.folder or Path(ref))


def publish_standing(
    out: Path, recipe: Recipe, destination: Destination
) -> tuple[Report, Published] | None:
    """Publishes the result of this pinned `recipe` that an earlier run left in `out`, or brings
    there what it has published; None if it left nothing.

    Raises: as `publish_folder` and `bring_finished`.
    """
    done = finished(out, recipe)
    if done is not None:
        return done, publish_folder(out, destination)
    published = bring_finished(out, recipe, destination)
    return None if published is None else (Report.read(out), published)


def publish_folder(folder: Path, destination: Destination) -> Published:
    """Publishes what a run wrote, its card naming the repository it lies in.

    Raises: NotFoundError, if it holds no report; ConflictError, if its weights are not those the
    report speaks of; TargetError, AccessError, HubUnavailableError, VerificationError as `publish`.
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
    (folder / CARD).write_text(render_card(report, repo), encoding="utf-8")
    recipe = without_paths(read_recipe(folder), [parent.id for parent in report.models])
    _rewrite(folder / RECIPE_FILE, recipe.to_yaml())
    return publish(
        folder,
        repo,
        private=hidden,
        create_pr=destination.create_pr,
        revision=destination.revision,
        exist_ok=destination.exist_ok,
        message=title_of(read_recipe(folder)),
        target=target,
    )


def _rewrite(path: Path, text: str) -> None:
    """Puts `text` into a file that is never seen half-written; leaves alone what says it already.

    The card can be written over in place: it is made anew from the report by every push.
    """
    if path.read_text(encoding="utf-8") == text:
        return
    fresh = path.with_name(f".{path.name}.partial")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
