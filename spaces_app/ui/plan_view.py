"""The plan on the page, for readers new to merging."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from hubmerge.errors.wording import option
from hubmerge.errors.wording import render as render_words
from hubmerge.planning.plan import Plan
from hubmerge.planning.resources import human
from hubmerge.planning.text import free_spaces
from hubmerge.recipe import AUTO, Recipe, trials_of
from hubmerge.reporting.numbers import duration
from hubmerge.utils.parent_names import parent_letters
from spaces_app.ui.glossary import with_explanations
from spaces_app.ui.markup import card, facts, join, on_hub, table, term, text
from spaces_app.ui.wording import PAGE

SPACES = (
    "Groups of units that can be reordered without changing any output. "
    "Matching aligns the units of one model with those of the other before merging."
)
LICENCE = "What the parents' licences allow, by a cautious policy; not legal advice."
SAME = Markup("<p>Merging a model with itself gives the same model. Choose another one.</p>")
NOTHING = Markup('<p class="hm-quiet">Choose two models to see the plan of their merge.</p>')


def render(content: dict[str, Any], seconds: float | None, recipe: Recipe) -> Markup:
    """The plan of a recipe, with an estimate of the time where one can be given."""
    plan = Plan.model_validate(content)
    pairs = [
        ("Family", text(plan.both.family or plan.both.model_type)),
        (term("Free spaces", SPACES), _spaces(plan)),
        ("Classes", text(_classes(plan))),
        (term("Licence of the result", LICENCE), _licence(plan)),
        ("Fused by", _fused(recipe)),
        ("Evaluation", _measured(plan)),
        ("To download", human(plan.needs.download)),
        ("Memory", f"about {human(plan.needs.memory)}"),
        ("Time", _time(seconds)),
    ]
    shown = [_models(plan), facts(pairs)]
    if len({(model.id, model.sha) for model in plan.models}) == 1:
        return card("The models are identical", join([SAME, *shown]), "hm-warn")
    return card("The models can be merged", join(shown), "hm-good")


def _models(plan: Plan) -> Markup:
    names = [f"Parent {letter}" for letter in parent_letters(len(plan.models))]
    named = list(zip(names, plan.models, strict=True))
    if plan.base is not None:
        named.append(("Their base", plan.base))
    rows = [
        (
            name,
            on_hub(model.id),
            f"{model.parameters:,}",
            human(model.weight_bytes),
            text(", ".join(model.licenses) or "not stated"),
            " ".join(word for word, is_so in _access(model) if is_so) or "public",
        )
        for name, model in named
    ]
    head = ("", "model", "weights", "size", "licence", "access")
    return table(head, rows, "The parents")


def _access(model: Any) -> tuple[tuple[str, bool], ...]:
    return (("private", model.private), ("gated", model.gated))


def _spaces(plan: Plan) -> Markup:
    shown = free_spaces(plan.both.free_spaces)
    if not shown:
        return Markup("none")
    return Markup('{} <span class="hm-quiet">(name and number of units)</span>').format(text(shown))


def _classes(plan: Plan) -> str:
    labels = plan.both.labels
    if not labels:
        return "none"
    shown = ", ".join(labels[:5]) + (", …" if len(labels) > 5 else "")
    return f"{len(labels)}: {shown}"


def _fused(recipe: Recipe) -> Markup:
    tried = trials_of(recipe).fuse
    if recipe.fuse == AUTO and tried != ("average",):
        said = "compared on rows that are measured for nothing else"
    elif recipe.fuse_by_base:
        said = render_words(f"because a base is given; {option('fuse')} names another", PAGE)
    else:
        return text(tried[0])
    return Markup('{} <span class="hm-quiet">({})</span>').format(text(recipe.fuse), text(said))


def _licence(plan: Plan) -> Markup:
    named = plan.licence.license
    listed = named if isinstance(named, str) else ", ".join(named)
    private = ". Published privately by default" if plan.private else ""
    return Markup('{} <span class="hm-quiet">({}{})</span>').format(
        text(listed), text(plan.licence.reason), private
    )


def _measured(plan: Plan) -> Markup:
    if plan.data is None:
        return Markup("none: Quick and merges without a data set are not evaluated")
    items = join(
        Markup('<li>{} <span class="hm-quiet">on {}</span></li>').format(
            with_explanations(m.what), with_explanations(m.rows)
        )
        for m in plan.measurements
    )
    return Markup("<ul>{}</ul>").format(items)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "unknown: no similar merge on this machine yet"
    return f"about {duration(seconds)}, from earlier merges on this machine"
