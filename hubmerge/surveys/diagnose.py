"""Two models before any merge: how they are related, and what is advised.

kin          the matrices' cosine is at least .5 as they came: they share a basin, as fine-tunes of
             one base do
copies       it is at least .9, once they are lined up by weights: one network in two orders of
             units, or nearly
strangers    otherwise: trained apart
"""

from __future__ import annotations

from typing import Any, Literal

from hubmerge import __version__
from hubmerge.errors import RecipeError
from hubmerge.evaluation.results import Result
from hubmerge.hub.compare import check_mergeable
from hubmerge.matching.text import match_summary
from hubmerge.pipeline.align import PAIR, aligned, gather, loaded, match_all
from hubmerge.pipeline.auto_match import AUTO
from hubmerge.pipeline.choices import takes_images
from hubmerge.pipeline.parents import SHARED, closeness
from hubmerge.pipeline.resolve import pin
from hubmerge.recipe import Recipe
from hubmerge.specs.spec import SCALES
from hubmerge.utils.input_batches import NoBatches
from hubmerge.utils.workers import Workers

COPIED = 0.9
"""Cosine of lined-up matrices from which on two models are taken for one."""

Relation = Literal["kin", "copies", "strangers"]


class Diagnosis(Result):
    """How B is related to A.

    as_they_came, lined_up: cosines between their matrices and kernels, before and after matching
    by weights. spaces: how alike the units of each are, and what matching gains.
    """

    hubmerge: str
    models: list[str]
    family: str
    relation: Relation
    as_they_came: float
    lined_up: float
    spaces: list[dict[str, Any]]
    match: str
    fuse: str
    why: str


def diagnose(recipe: Recipe, workers: Workers | None = None) -> Diagnosis:
    """Compares the weights of two models, as they came and lined up; no rows are looked at.

    Raises: RecipeError for more than two models; whatever stops a merge before it is made.
    """
    if len(recipe.models) != 2:
        raise RecipeError("two models are compared", found=f"{len(recipe.models)} models")
    workers = workers or Workers()
    sources = workers.on_main(lambda: pin(recipe))
    models = [loaded(source, recipe, workers) for source in sources.models]
    check_mergeable(*models)
    parents = gather(models, labels=recipe.align_labels, matched=True, symmetry=SCALES)
    before = closeness(*parents.states)
    (match,) = match_all(parents, "weights", PAIR, NoBatches(), workers, seed=recipe.seed)
    after = closeness(*aligned(parents, [match]))
    relation = related(before, after)
    data = recipe.dataset is not None
    advised, fused, why = advice(relation, data=data, images=takes_images(parents.a))
    return Diagnosis(
        hubmerge=__version__,
        models=[source.ref for source in sources.models],
        family=match.spec.family,
        relation=relation,
        as_they_came=before,
        lined_up=after,
        spaces=match_summary(match)["spaces"],
        match=advised,
        fuse=fused,
        why=why,
    )


def related(before: float, after: float) -> Relation:
    """The rule above."""
    if before >= SHARED:
        return "kin"
    return "copies" if after >= COPIED else "strangers"


def advice(relation: Relation, *, data: bool, images: bool) -> tuple[str, str, str]:
    """What to match by, what to fuse by, and why.

    data: whether there are rows to look at. images: whether synthetic ones could stand in.
    """
    if relation == "kin":
        return (
            "none",
            "average",
            "They share a basin: their units stand in one order already, and matching could only "
            "disturb that. With their base at hand, --fuse ties or task-arithmetic --base ID.",
        )
    if relation == "copies":
        return (
            "weights",
            "average",
            "One network in two orders of units, or nearly: the weights say which belong together.",
        )
    if data:
        return (
            AUTO,
            "least-squares",
            "Trained apart: what units do on your rows tells best which belong together, and "
            "refitting the layers on the same rows wins back most of what averaging loses.",
        )
    return (
        "synthetic" if images else "weights",
        "average",
        "Trained apart, and no data: "
        + (
            "synthetic images tell more of the units than their weights alone. "
            if images
            else "the weights are all there is to go by. "
        )
        + "With --dataset more can be done.",
    )
