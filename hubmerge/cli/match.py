"""hubmerge match: finds the symmetries that align models, without merging them."""

from __future__ import annotations

import shlex

from hubmerge.cli import options as o
from hubmerge.cli.command import command as made
from hubmerge.cli.starting import starting
from hubmerge.hub.destination import Destination
from hubmerge.jobs.options import Consent, Machine
from hubmerge.options.declared import MATCH
from hubmerge.recipe import Recipe

NAME = "match"


def _match(
    recipe: Recipe,
    destination: Destination,
    machine: Machine,
    consent: Consent,
    output: o.Output,
) -> None:
    """Find the symmetries that align B (and C ...) with A; reads only. -o is for --alignment."""
    out = destination.out
    if machine.is_elsewhere:
        from hubmerge.cli.on_jobs import match_in_job

        said = match_in_job(recipe, out, machine, consent, output)
    else:
        with starting(recipe):
            from hubmerge.pipeline.find_matches import as_json, as_text, find_matches

        with o.working():
            found = find_matches(recipe, out)
        said = as_json(found) if output.json else as_text(found)
    o.say(said)
    if out is not None and not output.json:
        models, place = shlex.join(recipe.models), shlex.quote(str(out))
        o.say(f"\nsaved in {out}; use it with: hubmerge merge {models} --alignment {place}")


command = made(
    _match,
    Recipe,
    o.RecipeFile,
    Destination,
    Machine,
    Consent,
    o.Output,
    takes=(MATCH,),
    examples=("hubmerge match me/left me/right --match weights -o found",),
)
