"""hubmerge diagnose: how two models are related, before any merge."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from hubmerge.cli import options as o
from hubmerge.cli.command import command as made
from hubmerge.options.declared import DIAGNOSE
from hubmerge.recipe import Recipe

if TYPE_CHECKING:
    from hubmerge.surveys.diagnose import Diagnosis

NAME = "diagnose"


def _diagnose(recipe: Recipe, output: o.Output) -> None:
    """Say how B is related to A, how far apart their units are, and what to merge them by."""
    from hubmerge.surveys.diagnose import diagnose

    found = diagnose(recipe)
    dataset = recipe.dataset.id if recipe.dataset else None
    o.say(found.model_dump_json(indent=2) if output.json else _text(found, dataset))


command = made(_diagnose, Recipe, o.Output, takes=(DIAGNOSE,))


def _text(found: Diagnosis, dataset: str | None) -> str:
    from hubmerge.reporting.numbers import figure, signed
    from hubmerge.utils.tables import right_of_first

    said = {
        "kin": "Kin: they share a basin, as fine-tunes of one base do",
        "copies": "Copies: one network in two orders of units, or nearly",
        "strangers": "Strangers: trained apart",
    }[found.relation]
    rows = [
        (
            space["space"],
            f"{space['size']:,}",
            f"{space['moved']:,}",
            figure(space["correlation"]),
            signed(space["gain"]),
        )
        for space in found.spaces
    ]
    lines = [
        f"{said} (cosine of their weights {figure(found.as_given)} as given, "
        f"{figure(found.aligned)} aligned).",
        "",
        right_of_first([("space", "units", "moved", "alike", "gained"), *rows]),
    ]
    data = f" --dataset {shlex.quote(dataset)}" if dataset else ""
    lines += ["", found.why, ""]
    models = shlex.join(found.models)
    lines += [f"hubmerge merge {models} --match {found.match} --fuse {found.fuse}{data}"]
    return "\n".join(lines)
