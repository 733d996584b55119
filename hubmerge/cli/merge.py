"""hubmerge merge: the main job."""

from __future__ import annotations

from hubmerge.cli import options as o
from hubmerge.cli.command import command as made
from hubmerge.cli.starting import starting
from hubmerge.cli.wording import COMMAND_LINE
from hubmerge.hub.destination import Destination
from hubmerge.jobs.options import Consent, Machine
from hubmerge.recipe import Recipe

NAME = "merge"
EXAMPLES = (
    "hubmerge merge me/left me/right -o both",
    "hubmerge merge me/left me/right --dataset me/data --fuse least-squares --push me/both",
    "hubmerge merge me/a me/b me/c --dataset me/data --weights .5,.3,.2 -o three",
)


def _merge(
    recipe: Recipe,
    destination: Destination,
    machine: Machine,
    consent: Consent,
    output: o.Output,
) -> None:
    """Match, merge, repair, measure, and write a stock checkpoint with its report card."""
    if machine.is_elsewhere:
        from hubmerge.cli.on_jobs import merge_in_job

        o.note_choices(recipe)
        merge_in_job(recipe, destination, machine, consent, output)
        return
    from hubmerge.cli.progress.estimate import expected_stages

    with starting(recipe):
        from hubmerge.pipeline.run import run
        from hubmerge.reporting.text import render_text

    o.note_choices(recipe)
    expected = expected_stages(
        matched=recipe.match != "none" and recipe.alignment is None,
        measured=recipe.dataset is not None,
        published=destination.push is not None,
    )
    with o.working(expected):
        result = run(recipe, destination)
    if output.json:
        o.say(result.report.to_json().rstrip())
        return
    o.say(render_text(result.report, result.folder, COMMAND_LINE))
    if (seconds := o.took()) is not None and not output.quiet:
        o.say(f"took             {seconds}")
    if result.published is not None:
        published = result.published
        o.say(f"published        {published.pr_url or published.url}")
        if not published.changed:
            o.say("                 it stood there already: nothing was uploaded")


def command_for(recipe: type[Recipe]) -> object:
    """The command for recipes of this class."""
    kinds = (recipe, o.RecipeFile, Destination, Machine, Consent, o.Output)
    return made(_merge, *kinds, examples=EXAMPLES)


command = command_for(Recipe)
