"""A match as a terminal shows it, and as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from hubmerge.matching.result import Match
from hubmerge.utils.tables import right_of_first

HEADINGS = ("space", "units", "moved", "correlation", "gained")


def match_text(match: Match) -> str:
    """One line per space: its units, how many moved, how well matched, how much was gained."""
    rows = [HEADINGS] + [
        (
            space.space,
            f"{space.size:,}",
            f"{space.moved:,}",
            f"{space.correlation:.3f}",
            f"{space.gain:+.3f}",
        )
        for space in match.spaces
    ]
    table = right_of_first(rows)
    return f"{match.spec.family}, matched by {match.method}: {match.outcome}\n\n{table}"


def match_summary(match: Match) -> dict[str, Any]:
    """Everything but the symmetry itself."""
    return {
        "method": match.method,
        "family": match.spec.family,
        "outcome": match.outcome,
        "spaces": [dataclasses.asdict(space) for space in match.spaces],
    }


def match_json(match: Match) -> str:
    """`match_summary` as text."""
    return json.dumps(match_summary(match), indent=2, sort_keys=True)
