"""Publish a merge that is written: this run's, an earlier run's, or a folder's; read reports."""

from __future__ import annotations

from pathlib import Path

from hubmerge.errors import ConflictError, NotFoundError
from hubmerge.errors.wording import action
from hubmerge.hub.destination import Destination
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.publish import Published
from hubmerge.hub.publish import publish as publish_files
from hubmerge.hub.source import resolve
from hubmerge.hub.target import check_target
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.existing import REPORT, bring_finished, finished, identity, title_of
from hubmerge.pipeline.weight_hashes import weight_hashes
from hubmerge.planning.plan import Plan
from hubmerge.recipe import RECIPE_FILE, read_recipe
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


def publish(run: Run, plan: Plan) -> Published | None:
    """Publishes the folder that the run wrote, if that was asked for: one commit, or nothing."""
    destination = run.destination
    if destination.push is None:
        return None
    return publish_files(
        run.out,
        destination.push,
        private=plan.private,
        create_pr=destination.create_pr,
        revision=destination.revision,
        exist_ok=destination.exist_ok,
        message=title_of(identity(read_recipe(run.out, trust_remote_code=True))),
        target=plan.target,
    )


def publish_existing(run: Run) -> tuple[Report, Published] | None:
    """Publishes the result of this run's recipe that an earlier run left in its folder, or brings
    there what it has published; None if it left nothing, or nothing is to be published.

    Raises: as `publish_folder` and `bring_finished`.
    """
    if run.destination.push is None:
        return None
    wanted = identity(run.written.model_copy(update={"alignment": run.recipe.alignment}))
    done = finished(run.out, wanted)
    if done is not None:
        return done, publish_folder(run.out, run.destination)
    published = bring_finished(run.out, wanted, run.destination)
    return None if published is None else (Report.read(run.out), published)


def publish_folder(folder: Path, destination: Destination) -> Published:
    """Publishes what a run wrote, its card naming the repository it lies in.

    Raises: NotFoundError, if it holds no report; ConflictError, if its weights are not those the
    report speaks of; TargetError, AccessError, HubUnavailableError, VerificationError as `publish`.
    """
    if folder.is_file():
        raise NotFoundError(
            f"{str(folder)!r} is a file, where the folder of a merge is expected",
            hint="give the folder it lies in",
        )
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
            hint=f"merge again: {action('merge again', folder / RECIPE_FILE)}",
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
    recipe = read_recipe(folder, trust_remote_code=True)
    beside = Path(recipe.alignment).name if recipe.alignment else None
    text = recipe.model_copy(update={"alignment": beside}).to_yaml()
    _rewrite(folder / RECIPE_FILE, text)
    return publish_files(
        folder,
        repo,
        private=hidden,
        create_pr=destination.create_pr,
        revision=destination.revision,
        exist_ok=destination.exist_ok,
        message=title_of(identity(read_recipe(folder, trust_remote_code=True))),
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
