"""Predictions of each contender for one image, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from spaces_app.ui.markup import join, text

ONE_IMAGE = (
    "One image is an illustration, not evidence of which model is better; "
    "the table above is measured on many."
)


def render(said: Mapping[str, Sequence[tuple[str, float]]]) -> Markup:
    """A column per contender with its most likely classes."""
    columns = join(_column(name, best) for name, best in said.items())
    return Markup('<div class="hm-side">{}</div><p class="hm-quiet">{}</p>').format(
        columns, ONE_IMAGE
    )


def _column(name: str, best: Sequence[tuple[str, float]]) -> Markup:
    bars = join(
        Markup(
            "<li><span>{}</span><span>{:.1f}%</span>"
            '<progress max="1" value="{:.4f}" aria-label="{}"></progress></li>'
        ).format(text(label), 100 * share, share, text(label))
        for label, share in best
    )
    return Markup(
        '<section class="hm-card"><h4>{}</h4><ol class="hm-best">{}</ol></section>'
    ).format(text(name), bars)
