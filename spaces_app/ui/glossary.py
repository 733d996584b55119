"""Words of the trade that sentences from elsewhere bring along, and what they mean."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from spaces_app.ui.markup import join, term
from spaces_app.ui.report_view import BARRIER, ENSEMBLE, ERROR, NAIVE

MEANINGS = {
    "naive average": NAIVE,
    "parents' ensemble": ENSEMBLE,
    "calibration error": ERROR,
    "barrier": BARRIER,
    "temperatures": "One number per model, which corrects how confident it is.",
    "batch norm": "Layers that keep averages of what they have seen; after merging, these are off.",
    "evaluation rows": "Kept for the figures alone: nothing is chosen on them.",
    "validation rows": "What is chosen, such as λ, is chosen on these.",
    "calibration rows": "Shown to the models to find out how their units behave.",
}
_WORDS = re.compile("|".join(map(re.escape, sorted(MEANINGS, key=len, reverse=True))))


def explained(said: str) -> Markup:
    """`said` with an explanation at the first place of every word of the trade."""
    parts, seen, end = [], set(), 0
    for found in _WORDS.finditer(said):
        word = found[0]
        if word not in seen:
            parts += [escape(said[end : found.start()]), term(word, MEANINGS[word])]
            seen.add(word)
            end = found.end()
    return join([*parts, escape(said[end:])])
