"""Commands whose work a job of the Hub does: asked for, followed, and shown as if done here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hubmerge.cli import options as o
from hubmerge.cli.wording import COMMAND_LINE
from hubmerge.errors import JobError, RecipeError, UnconfirmedError
from hubmerge.errors.printable import printable
from hubmerge.errors.wording import option
from hubmerge.hub.destination import Destination
from hubmerge.jobs.options import Consent, Machine
from hubmerge.recipe import Recipe

if TYPE_CHECKING:
    from huggingface_hub import JobInfo

    from hubmerge.jobs.carry_out import Faces
    from hubmerge.jobs.request import Asking
    from hubmerge.pipeline.existing import Found


def merge_in_job(
    recipe: Recipe,
    destination: Destination,
    machine: Machine,
    consent: Consent,
    output: o.Output,
) -> None:
    """Merges in a job; shows the report of the repository that it pushed to."""
    flavor = machine.flavor
    from hubmerge.jobs.carry_out import carry_out, published
    from hubmerge.jobs.request import run_elsewhere, to_merge

    asking = _asking(output)
    run = run_elsewhere(recipe, destination)
    found = published(run)
    if found is None:
        request = to_merge(run, asking)
        carry_out(request, flavor, asking.account, _faces(consent, quiet=output.quiet))
        found = published(run)
        if found is None:
            raise JobError(
                "the job ended well, and its result is not where it was to be pushed",
                found=f"no such merge in {destination.push}",
            )
    _show(found, output)


def match_in_job(
    recipe: Recipe, out: Path | None, machine: Machine, consent: Consent, output: o.Output
) -> str:
    """Matches in a job, and brings the alignment into `out`; what the command printed."""
    flavor = machine.flavor
    from hubmerge.hub.target import check_folder
    from hubmerge.jobs.carry_out import carry_out
    from hubmerge.jobs.home import bring_alignment
    from hubmerge.jobs.request import to_match

    if out is not None:
        check_folder(out)
    asking = _asking(output)
    request = to_match(recipe, asking)
    outcome = carry_out(request, flavor, asking.account, _faces(consent, quiet=output.quiet))
    if out is not None:
        bring_alignment(request.order, out)
    return _shown(outcome.printed)


def verify_in_job(
    merge: str, machine: Machine, consent: Consent, output: o.Output, **how: object
) -> int:
    """Verifies in a job; prints what the command printed, and returns its exit code."""
    flavor = machine.flavor
    from hubmerge.jobs.carry_out import carry_out
    from hubmerge.jobs.request import to_verify

    asking = _asking(output)
    request = to_verify(merge, asking, **how)
    outcome = carry_out(request, flavor, asking.account, _faces(consent, quiet=output.quiet))
    o.say(_shown(outcome.printed))
    return outcome.exit_code


def plan_of_job(
    recipe: Recipe, destination: Destination, machine: Machine, *, as_json: bool = False
) -> str:
    """Which machine a merge would be made on, how long it takes and what it costs."""
    flavor = machine.flavor
    from hubmerge.jobs.carry_out import chosen, job_text
    from hubmerge.jobs.job_plan import job_plan
    from hubmerge.jobs.request import run_elsewhere, to_merge

    asking = _asking(o.Output())
    request = to_merge(run_elsewhere(recipe, destination), asking)
    work, plan = request.planned()
    found = chosen(work, flavor, asking.account)
    if as_json:
        return job_plan(request, found, work, plan).model_dump_json(indent=2)
    return job_text(request, found, work, plan)


def _asking(output: o.Output) -> Asking:
    from hubmerge.jobs.request import Asking
    from hubmerge.jobs.submit import account_of_caller

    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise RecipeError(
            f"{option('on')} starts one job, and here several processes run",
            found=f"WORLD_SIZE={os.environ['WORLD_SIZE']}",
            hint="start it without torchrun or accelerate",
            field="on",
        )
    return Asking(account_of_caller(), output.json)


def _faces(consent: Consent, *, quiet: bool) -> Faces:
    from hubmerge.jobs.carry_out import Faces

    def agree(text: str) -> None:
        if not (quiet and consent.yes):
            _to_stderr(text)
        if consent.yes:
            return
        if not _is_terminal():
            raise UnconfirmedError(
                "a job costs money, and there is no terminal to ask on",
                found="no terminal",
                hint=option("yes", True),
                field="yes",
            )
        if not typer.confirm("Start it?", err=True):
            raise UnconfirmedError("the job was not started", field="yes")

    def stop(job: JobInfo) -> bool:
        if not _is_terminal():
            return False
        try:
            return typer.confirm(f"\nCancel the job {job.id}, too?", err=True)
        except (typer.Abort, KeyboardInterrupt):
            return False

    return Faces(agree=agree, say=lambda line: None if quiet else _to_stderr(line), stop=stop)


def _show(found: Found, output: o.Output) -> None:
    from hubmerge.pipeline.publish import read_report
    from hubmerge.reporting.text import render_text

    report = read_report(f"{found.source.id}@{found.source.sha}")
    if output.json:
        o.say(report.to_json().rstrip())
        return
    o.say(render_text(report, wording=COMMAND_LINE))
    o.say(f"published        {found.published.pr_url or found.published.url}")


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _to_stderr(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


def _shown(printed: str) -> str:
    return printed.rstrip("\n")
