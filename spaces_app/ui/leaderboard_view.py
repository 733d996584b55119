"""Leaderboards: per task and data set, merges that this app verified itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from hubmerge.reporting.numbers import count, figure, signed
from spaces_app.service.gallery import GalleryEntry
from spaces_app.service.verified import Gain
from spaces_app.ui import proof_view
from spaces_app.ui.markup import folded, join, on_hub, stacking_table, term, text
from spaces_app.ui.verdict_view import chip

Boards = Mapping[tuple[str, str], Sequence[tuple[GalleryEntry, Gain]]]

LEAST = "gain, at least"
LOW = (
    "How much better than the better parent the merge is at least: the lower end of a one-sided "
    "95% interval of the difference, row by row."
)
RULE = (
    "Merges that this app verified itself, measured on at least {} rows that decided nothing. They "
    "are ordered by the lower bound of their gain over the better parent; those that were made "
    "again come first, because only then the parents were measured here too."
)
IDLE = "This app verifies no merges by itself: that is what a Space does."
EMPTY = "None yet. Public merges are verified one after the other, while nothing else runs."


def render(boards: Boards, least_rows: int, *, verifies: bool) -> Markup:
    """A table per task and data set; without any, why."""
    parts = [_quiet(RULE.format(count(least_rows)))]
    if not boards:
        parts.append(_quiet(EMPTY if verifies else IDLE))
    parts += [_board(task, data, ranked) for (task, data), ranked in boards.items()]
    return join(parts)


def _board(task: str, data: str, ranked: Sequence[tuple[GalleryEntry, Gain]]) -> Markup:
    metric = ranked[0][1].metric
    names = ("merge", LEAST, "gain", metric, "better parent", "rows", "verdict", "verified")
    head = [(name, term(name, LOW) if name == LEAST else name) for name in names]
    lines = [
        (
            join([f"{place}. ", on_hub(entry.id)]),
            Markup("<strong>{}</strong>").format(signed(gain.low)),
            signed(gain.difference),
            figure(gain.merge),
            join([f"{figure(gain.better_parent)} ", text(gain.parent)]),
            f"{count(gain.rows)} ({text(gain.split)})",
            chip(entry.verdict),
            _verified(entry),
        )
        for place, (entry, gain) in enumerate(ranked, 1)
    ]
    heading = Markup("<h3>{}: {}</h3>").format(text(task), text(data))
    caption = f"Verified merges for {text(task)} on {text(data)}"
    return join([heading, stacking_table(head, lines, caption)])


def _verified(entry: GalleryEntry) -> Markup:
    assert entry.proof is not None
    mark = proof_view.mark(entry.proof)
    return join([mark, folded("Evidence", proof_view.evidence(entry.proof))], " ")


def _quiet(said: str) -> Markup:
    return Markup('<p class="hm-quiet">{}</p>').format(said)
