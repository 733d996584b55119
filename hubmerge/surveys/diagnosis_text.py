"""A diagnosis in words."""

from __future__ import annotations

from collections.abc import Callable

from hubmerge.reporting.numbers import figure, signed
from hubmerge.surveys.diagnose import Diagnosis
from hubmerge.utils.tables import right_of_first

RELATIONS = {
    "kin": "Related: they share a basin, as fine-tunes of one base do",
    "copies": "Copies: one network in two orders of units, or nearly",
    "strangers": "Trained apart",
}


def python_call(found: Diagnosis) -> str:
    """The merge that is advised, in Python."""
    a, b = found.models
    more = {"match": found.match, "fuse": found.fuse, "dataset": found.dataset}
    given = "".join(f", {name}={value!r}" for name, value in more.items() if value)
    return f"hubmerge.run(hubmerge.Recipe(models=({a!r}, {b!r}){given}))"


def diagnosis_text(found: Diagnosis, advice: Callable[[Diagnosis], str] = python_call) -> str:
    """How two models are related, a table of their spaces, and the merge that is advised."""
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
    return "\n".join(
        [
            f"{RELATIONS[found.relation]} (cosine of their weights {figure(found.as_given)} as "
            f"given, {figure(found.aligned)} aligned).",
            "",
            right_of_first([("space", "units", "moved", "correlation", "gained"), *rows]),
            "",
            found.why,
            "",
            advice(found),
        ]
    )
