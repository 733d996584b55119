"""What was done and found, as text."""

from __future__ import annotations

from hubmerge.api.found import Found
from hubmerge.api.merged import Merged
from hubmerge.matching import match_text
from hubmerge.utils.checked_calls import checked


@checked
def report(merged: Merged, found: Found | None = None) -> str:
    """What was done and found, as text. What it is worth is measured by `hubmerge.run`."""
    lines = [
        f"{1 - merged.t:g} x {merged.a.source.ref} + {merged.t:g} x {merged.b.source.ref}, "
        f"fuse {merged.fuse}, repair {merged.repair}",
        _how_matched(merged, found),
        "nothing was measured: hubmerge.run(Recipe(..., dataset=...)) compares the merge with "
        "both parents, the naive average and the ensemble",
    ]
    return "\n".join(lines)


def _how_matched(merged: Merged, found: Found | None) -> str:
    if found is not None:
        return str(found)
    matches = merged.steps.alignment.matches
    return match_text(matches[0]) if matches else "nothing was matched: the units are as they came"
