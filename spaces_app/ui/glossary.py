"""Technical terms in hubmerge's sentences, with explanations."""

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
    "temperatures": "One number per model, which calibrates its confidence.",
    "batch norm": "Layers that keep running statistics of their inputs; merging invalidates them.",
    "evaluation rows": "Used for the reported figures only: nothing is chosen on them.",
    "validation rows": "Choices such as λ are made on these.",
    "calibration rows": "Rows on which the activations of the units are recorded.",
}
_WORDS = re.compile("|".join(map(re.escape, sorted(MEANINGS, key=len, reverse=True))))


def with_explanations(sentence: str) -> Markup:
    """`sentence` with an explanation at the first occurrence of every term."""
    parts, seen, end = [], set(), 0
    for found in _WORDS.finditer(sentence):
        word = found[0]
        if word not in seen:
            parts += [escape(sentence[end : found.start()]), term(word, MEANINGS[word])]
            seen.add(word)
            end = found.end()
    return join([*parts, escape(sentence[end:])])
