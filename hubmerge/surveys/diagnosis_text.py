"""A diagnosis as a terminal shows it."""

from __future__ import annotations

from shlex import quote

from hubmerge.reporting.numbers import figure, signed
from hubmerge.surveys.diagnose import Diagnosis
from hubmerge.utils.tables import right_of_first

RELATIONS = {
    "kin": "Related: they share a basin, as fine-tunes of one base do",
    "copies": "Copies: one network in two orders of units, or nearly",
    "strangers": "Trained apart",
}


def diagnosis_text(found: Diagnosis) -> str:
    """How two models are related, a table of their spaces, and the command that is advised."""
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
    a, b = map(quote, found.models)
    data = f" --dataset {found.dataset}" if found.dataset else ""
    return "\n".join(
        [
            f"{RELATIONS[found.relation]} (cosine of their weights {figure(found.as_given)} as "
            f"given, {figure(found.aligned)} aligned).",
            "",
            right_of_first([("space", "units", "moved", "correlation", "gained"), *rows]),
            "",
            found.why,
            "",
            f"hubmerge merge {a} {b} --match {found.match} --fuse {found.fuse}{data}",
        ]
    )
