"""Which methods the fold offers: those that work with what was picked, and what each looks at."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from hubmerge.fuse import fusions
from hubmerge.fuse.registry import DATA_FREE, LABEL_FREE, LABELLED
from hubmerge.matching import learners, matchers
from hubmerge.recipe import PASSTHROUGH
from hubmerge.repair import repairs
from hubmerge.reporting.methods import methods
from spaces_app.ui.markup import join, table, text
from spaces_app.ui.presets import AS_CHOSEN
from spaces_app.ui.wording import LABELS

Choices = list[tuple[str, str]]
"""What is shown, and what is meant."""

LOOKS_AT = {
    DATA_FREE: "no rows of the data set",
    LABEL_FREE: "rows of the data set without their labels",
    LABELLED: "rows of the data set with their labels",
}
"""Mark of a method -> what it looks at, in plain words."""
SURVEYS = [
    ("A low-loss curve", "path"),
    ("The loss all around", "plane"),
    ("All mixtures", "simplex"),
]
KINDS = {kind: LABELS[kind] for kind in ("match", "fuse", "repair")}


@dataclass(frozen=True)
class Given:
    """What methods may ask for: rows, a common base; whether the models are one run's, or many."""

    data: bool = False
    base: bool = False
    run: bool = False
    many: bool = False


def matchings(given: Given) -> Choices:
    """Every matcher for which there are rows."""
    found = [name for name, method in matchers().items() if given.data or not method.needs_data]
    found += list(learners()) if given.data else []
    return [(AS_CHOSEN, AS_CHOSEN), ("auto", "auto"), *_marked("match", found), ("none", "none")]


def fusings(given: Given) -> Choices:
    """Every fusion that what is given allows.

    Of one run's checkpoints those alone that are for them, and for others none of those.
    """
    found = [
        fusion.name
        for fusion in fusions().values()
        if (fusion.takes_base if given.base else not fusion.needs_base)
        and (given.data or fusion.needs != LABELLED)
        and (given.run or not fusion.of_a_run)
        and fusion.name != PASSTHROUGH  # stacks layers, which the page does not name
    ]
    tried = [("auto: the best of these on validation rows", "auto")] if given.data else []
    return [(AS_CHOSEN, AS_CHOSEN), *tried, *_marked("fuse", found)]


def repairings(given: Given) -> Choices:
    """Every repair for which there are rows."""
    found = list(repairs()) if given.data else []
    return [("auto", "auto"), ("none", "none"), *_marked("repair", found)]


def surveys(given: Given) -> Choices:
    """What can be measured around the merge of so many."""
    fits = [(text, name) for text, name in SURVEYS if (name == "simplex") == given.many]
    return fits if given.data else []


def explained() -> Markup:
    """What each method does and looks at, for who opens it."""
    rows = [
        (
            KINDS[method.kind],
            Markup("<code>{}</code>").format(method.name),
            text(LOOKS_AT[method.needs] + (", and the common base" if method.base else "")),
            text(method.summary),
        )
        for method in methods()
        if method.kind in KINDS
    ]
    marks = join((f"{mark}: looks at {said}" for mark, said in LOOKS_AT.items()), "; ")
    listed = table(("step", "method", "looks at", "what it does"), rows, "Every method")
    return Markup(
        '<details class="hm-more"><summary>What these do</summary><p>{}.</p>{}</details>'
    ).format(marks, listed)


def _marked(kind: str, names: list[str]) -> Choices:
    marks = {method.name: method.needs for method in methods() if method.kind == kind}
    return [(f"{name} ({marks[name]})", name) for name in names]
