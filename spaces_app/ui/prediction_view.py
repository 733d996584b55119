"""What each contender says about one image, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from spaces_app.ui.markup import join, text

ONE_IMAGE = (
    "One image proves nothing: it shows how the models answer, not which one is better. "
    "The table above rests on many."
)


def render(said: Mapping[str, Sequence[tuple[str, float]]]) -> Markup:
    """A column per contender, its likeliest classes on top."""
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
