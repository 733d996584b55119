"""What each contender says, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from spaces_app.ui.markup import NONE, join, text

Said = Sequence[tuple[str, float | None]]
"""What is said and how likely it is; None of a generated text."""

ONE = (
    "One example is an illustration, not evidence of which model is better; "
    "the table above is measured on many."
)


def render(said: Mapping[str, Said]) -> Markup:
    """A column per contender with its most likely classes, or what it generates."""
    return columns(said) + Markup('<p class="hm-quiet">{}</p>').format(ONE)


def columns(said: Mapping[str, Said], truth: str | None = None) -> Markup:
    """The columns alone. truth: the right class, which is marked."""
    shown = join(_column(name, best, truth) for name, best in said.items())
    return Markup('<div class="hm-side">{}</div>').format(shown)


def _column(name: str, best: Said, truth: str | None) -> Markup:
    if best and best[0][1] is None:
        body = Markup('<p class="hm-said">{}</p>').format(text(best[0][0] or "nothing"))
    else:
        lines = join(_line(label, share, truth) for label, share in best)
        body = Markup('<ol class="hm-best">{}</ol>').format(lines)
    return Markup('<section class="hm-card"><h4>{}</h4>{}</section>').format(text(name), body)


def _line(label: str, share: float | None, truth: str | None) -> Markup:
    share = share or 0.0
    mark = Markup(' <span title="the true label">✓</span>') if label == truth else NONE
    return Markup(
        "<li><span>{}{}</span><span>{:.1f}%</span>"
        '<progress max="1" value="{:.4f}" aria-label="{}"></progress></li>'
    ).format(text(label), mark, 100 * share, share, text(label))
