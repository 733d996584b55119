"""What the steps of the pipeline are given for models in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as Folder

from hubmerge.api.aligned import Aligned
from hubmerge.hub.destination import Destination
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.source import resolve
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.load import joint_head
from hubmerge.pipeline.methods import checked_methods
from hubmerge.pipeline.parents import AlignmentInputs, in_one_order, prepare_parents, without_base
from hubmerge.pipeline.sources import Sources, pinned_recipe
from hubmerge.recipe import Recipe
from hubmerge.specs.spec import ALL
from hubmerge.utils.workers import Workers


def run_of(recipe: Recipe, models: Sequence[LoadedModel], base: LoadedModel | None = None) -> Run:
    """What the steps get for models in memory."""
    methods = checked_methods(recipe)
    sources = Sources(
        tuple(model.source for model in models),
        resolve(recipe.dataset.id, "dataset") if recipe.dataset else None,
        base.source if base else None,
    )
    return Run(
        recipe=recipe,
        written=pinned_recipe(recipe, sources, methods.trials),
        destination=Destination(),
        sources=sources,
        methods=methods,
        out=Folder(),
        workers=Workers(),
    )


def as_given(
    run: Run, a: LoadedModel, b: LoadedModel, base: LoadedModel | None, several: bool
) -> AlignmentInputs:
    """Models in the order that they have, aligned before or not; their base behind them."""
    matched = run.recipe.repair == "repair"
    if several and not isinstance(b, Aligned):
        joint = joint_head(run, (a, b))
        return prepare_parents(
            (a, b), None, labels="name", matched=matched, symmetry=ALL, heads=joint
        )
    joint = b.heads if isinstance(b, Aligned) else None
    models = (a, b) if base is None else (a, b, base)
    parents = in_one_order(models, labels="name", matched=matched)
    if base is None:
        return without_base(parents, joint)
    return AlignmentInputs(parents.only([0, 1]), parents.only([2, 0, 1]), joint)
