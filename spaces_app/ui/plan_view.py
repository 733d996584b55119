"""The plan on the page: what will happen in words, and every detail in one fold."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from hubmerge.errors.wording import option
from hubmerge.errors.wording import render as render_words
from hubmerge.planning.plan import Plan
from hubmerge.planning.resources import human
from hubmerge.planning.text import free_spaces
from hubmerge.recipe import AUTO, Recipe, trials_of
from hubmerge.reporting.numbers import count, duration
from hubmerge.utils.parent_names import listed, parent_letters
from spaces_app.service.planner import PlanResult
from spaces_app.ui.glossary import with_explanations
from spaces_app.ui.markup import card, facts, folded, join, on_hub, table, term, text
from spaces_app.ui.wording import PAGE

SPACES = (
    "Groups of units that can be reordered without changing any output. "
    "Matching aligns the units of one model with those of the other before merging."
)
LICENCE = "What the parents' licences allow, by a cautious policy; not legal advice."
SAME = Markup("<p>Merging a model with itself gives the same model. Choose another one.</p>")
NOTHING = Markup('<p class="hm-quiet">Choose two models to see the plan of their merge.</p>')
PLANNING = Markup(
    '<p class="hm-quiet" role="status">Planning: reading both models’ descriptions …</p>'
)
DETAILS = "Details for experts"


def render(planned: PlanResult, recipe: Recipe) -> Markup:
    """The plan of a recipe, with an estimate of the time where one can be given."""
    plan = Plan.model_validate(planned.plan)
    pairs = [
        ("Family", text(plan.both.family or plan.both.model_type)),
        (term("Free spaces", SPACES), _spaces(plan)),
        ("Classes", text(_classes(plan))),
        ("Why this licence", text(plan.licence.reason)),
        ("Fused by", _fused(recipe)),
        ("Evaluation", _measured(plan)),
        ("Memory", f"about {human(plan.needs.memory)}"),
    ]
    shown = join(
        [_words(plan, planned, recipe), folded(DETAILS, join([_models(plan), facts(pairs)]))]
    )
    if len({(model.id, model.sha) for model in plan.models}) == 1:
        return card("The models are identical", join([SAME, shown]), "hm-warn")
    return card("These models can be merged", shown, "hm-good")


def _words(plan: Plan, planned: PlanResult, recipe: Recipe) -> Markup:
    """What a merge would do, in sentences."""
    sentences = [_alike(plan), _how(plan, recipe), _rows(plan)]
    told = [
        ("Takes", _time(planned)),
        ("Downloads", human(plan.needs.download) if plan.needs.download else "nothing new"),
        (term("Licence of the result", LICENCE), _licence(plan)),
    ]
    return join([Markup("<p>{}</p>").format(join(sentences, " ")), facts(told)])


def _alike(plan: Plan) -> Markup:
    family = plan.both.family or plan.both.model_type
    sizes = sorted({model.parameters for model in plan.models})
    size = count(sizes[0]) if len(sizes) == 1 else f"{count(sizes[0])} to {count(sizes[-1])}"
    all_of_them = "Both" if len(plan.models) == 2 else f"All {len(plan.models)}"
    names = listed([str(on_hub(model.id)) for model in plan.models])
    said = Markup("{} are {} models of {} weights").format(all_of_them, text(family), size)
    if plan.both.labels:
        said += Markup(" that tell {} classes apart").format(count(len(plan.both.labels)))
    access = {word for model in plan.models for word, is_so in _access(model) if is_so}
    note = Markup(" ({})").format(text(listed(sorted(access)))) if access else ""
    return Markup("{}: {}{}.").format(said, Markup(names), note)


def _how(plan: Plan, recipe: Recipe) -> Markup:
    tried = trials_of(recipe).fuse
    if recipe.fuse == AUTO and tried != ("average",):
        fused = "combined in the way that does best"
    else:
        fused = "averaged" if tried[0] == "average" else f"combined by {tried[0]}"
    if not plan.both.free_spaces or recipe.match == "none":
        return Markup("Their weights are {} as they are.").format(text(fused))
    return Markup("Their units are {}, then their weights are {}.").format(
        term("matched", SPACES), text(fused)
    )


def _rows(plan: Plan) -> Markup:
    if plan.data is None:
        return Markup("Nothing is measured: without rows of a data set there is no verdict.")
    said = "The merge, its parents and their naive average are measured on the same rows of {}."
    return with_explanations(said.partition("{}")[0]) + on_hub(plan.data.id, "dataset") + "."


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
    listed_ = named if isinstance(named, str) else ", ".join(named)
    private = Markup(' <span class="hm-quiet">(Published privately by default)</span>')
    return text(listed_) + (private if plan.private else Markup(""))


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


def _time(planned: PlanResult) -> str:
    if planned.seconds is None or planned.between is None:
        return "not known yet: nothing like it was merged here before"
    return f"{span(planned.between)}, by earlier merges here"


def span(between: tuple[float, float]) -> str:
    """A range of seconds: "40 s to 2 min 5 s", or "about 40 s" where it is narrow."""
    low, high = (duration(max(1.0, each), whole=True) for each in between)
    return f"about {high}" if low == high else f"{low} to {high}"
