"""Two models before any merge: how they are related, and what is advised.

kin          the matrices' cosine is at least .5 as given: they share a basin, as fine-tunes of
             one base do
copies       it is at least .9, once they are aligned by weights: one network in two orders of
             units, or nearly
strangers    otherwise: trained apart
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from transformers import PreTrainedModel

from hubmerge import __version__
from hubmerge.data.synthetic.batches import can_be_shown
from hubmerge.errors import RecipeError
from hubmerge.evaluation.results import Result
from hubmerge.hub.compare import check_mergeable
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.matching.text import match_summary
from hubmerge.models.states import cosine
from hubmerge.pipeline.apply_matches import apply_matches
from hubmerge.pipeline.load import load_parents
from hubmerge.pipeline.match import MatchRows, MatchSettings, closer, match_parents
from hubmerge.pipeline.methods import AUTO
from hubmerge.pipeline.parents import SHARED, in_one_order
from hubmerge.pipeline.resolve import resolve
from hubmerge.recipe import QUICK, Recipe
from hubmerge.specs.spec import SCALES
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.shown import Shown
from hubmerge.utils.workers import Workers

COPIED = 0.9
"""Cosine of lined-up matrices from which on two models are taken for one."""

Given = str | Path | LoadedModel | PreTrainedModel
"""What a model is given as."""
Relation = Literal["kin", "copies", "strangers"]


class Diagnosis(Shown, Result):
    """How B is related to A.

    as_given, aligned: cosines between their matrices and kernels, before and after matching
    by weights. spaces: how alike the units of each are, and what matching gains.
    """

    hubmerge: str
    models: list[str]
    family: str
    relation: Relation
    as_given: float
    aligned: float
    spaces: list[dict[str, Any]]
    match: str
    fuse: str
    why: str
    dataset: str | None = None
    text_by: ClassVar[str] = "hubmerge.surveys.diagnosis_text:diagnosis_text"


@checked
def diagnose(
    models: Recipe | Given,
    b: Given | None = None,
    *,
    dataset: str | Path | None = None,
    workers: Workers | None = None,
) -> Diagnosis:
    """Compares the weights of two models, as given and aligned; no rows are looked at.

    diagnose("ORG/A", "ORG/B"), or diagnose(recipe): `models` is a recipe, or model A. A model is a
    Hub id, id@revision, a folder, or one that is loaded. `dataset` only changes the advice.

    Raises: RecipeError for more than two models; whatever stops a merge before it is made.
    """
    recipe = _recipe(models, b, dataset)
    if len(recipe.models) != 2:
        raise RecipeError("two models are compared", found=f"{len(recipe.models)} models")
    run = resolve(recipe.replace(effort=QUICK, trials=None), None, workers)
    loaded = load_parents(run)
    check_mergeable(*loaded)
    parents = in_one_order(loaded, labels=recipe.align_labels, matched=True, symmetry=SCALES)
    before = cosine(*parents.states)
    settings = MatchSettings(matcher="weights", seed=recipe.seed)
    found = match_parents(parents, settings, MatchRows(), run.workers)
    (match,) = closer(parents, found, run.workers)
    after = cosine(*apply_matches(parents, [match]))
    relation = related(before, after)
    data = recipe.dataset is not None
    advised, fused, why = advice(
        relation, data=data, images=can_be_shown(parents.a.model, parents.a.processor)
    )
    return Diagnosis(
        hubmerge=__version__,
        models=[source.ref for source in run.sources.models],
        family=match.spec.family,
        relation=relation,
        as_given=before,
        aligned=after,
        spaces=match_summary(match)["spaces"],
        match=advised,
        fuse=fused,
        why=why,
        dataset=recipe.dataset.id if recipe.dataset else None,
    )


def _recipe(models: Recipe | Given, b: Given | None, dataset: str | Path | None) -> Recipe:
    """The recipe that is given whole, or of two models. Raises: RecipeError."""
    if not isinstance(models, Recipe):
        if b is None:
            raise RecipeError("two models are compared", found="one", hint='diagnose("A", "B")')
        return Recipe(models=(models, b), dataset=dataset)
    if b is not None or dataset is not None:
        raise RecipeError(
            "a recipe and another model or data set were both given",
            hint='diagnose(recipe), or diagnose("A", "B", dataset="D")',
        )
    return models


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
            "disturb that. If their common base is given, the fusions ties and task-arithmetic can "
            "be used.",
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
            "Trained apart: what units do on your rows shows best which belong together, and "
            "refitting the layers on the same rows wins back most of what averaging loses.",
        )
    return (
        "synthetic" if images else "weights",
        "average",
        "Trained apart, and no data: "
        + (
            "synthetic images show more of the units than their weights alone. "
            if images
            else "the weights are all there is to go by. "
        )
        + "A data set allows more.",
    )
