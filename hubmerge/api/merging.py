"""Merge two models in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from transformers import PreTrainedModel

from hubmerge.api.aligned import Aligned, common_anchor
from hubmerge.api.loading import in_memory
from hubmerge.api.merged import Merged, MergeSteps
from hubmerge.api.steps import as_given, run_of
from hubmerge.errors import RecipeError
from hubmerge.fuse.options import Value
from hubmerge.hub.compare import check_mergeable
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.models.fingerprint import fingerprint
from hubmerge.models.states import with_state
from hubmerge.options.declared import documented
from hubmerge.pipeline.align import paths_between
from hubmerge.pipeline.fuse import fuse as fuse_aligned
from hubmerge.pipeline.load import check_rows, merge_inputs
from hubmerge.pipeline.open_data import open_data_splits
from hubmerge.pipeline.refine import refine as refine_fused
from hubmerge.pipeline.repair import choose_repair, shown_as_trained
from hubmerge.pipeline.sources import pinned_recipe
from hubmerge.recipe import AUTO, BEST, NO_REFINEMENT, QUICK, SAME, Recipe, make_recipe
from hubmerge.utils.checked_calls import checked


@checked
@documented(Recipe, t="lam")
def merge(
    a: LoadedModel | PreTrainedModel,
    b: LoadedModel | PreTrainedModel,
    t: float = 0.5,
    *,
    fuse: str | None = None,
    fuse_options: Mapping[str, Value] | None = None,
    base: LoadedModel | PreTrainedModel | None = None,
    repair: str = AUTO,
    refine: str | None = None,
    dataset: Any = None,
    heads: str = SAME,
) -> Merged:
    """(1 - t) A + t B, with B as `Found.apply` returned it (or as given: the naive average).

    A base comes as it is, or aligned with A as B is; it goes with heads "same". Without a `dataset`
    repair "auto" corrects batch norm on synthetic images. The effort is "quick": `fuse` is by
    default "average", or with a base "ties", and nothing is refined. A data set is a Hub id, a
    folder, or a `datasets.Dataset`.
    Raises: MismatchError, also where `b` or `base` was aligned with another model than `a`.
    """
    a, b = in_memory(a), in_memory(b)
    base = None if base is None else in_memory(base)
    others = (b,) if base is None else (b, base)
    several = heads != SAME or any(isinstance(each, Aligned) and each.heads for each in others)
    if several and base is not None:
        raise RecipeError(
            "in memory, models with different label sets take no base",
            hint="hubmerge.run takes one",
        )
    check_mergeable(a, *others, other_labels=several)
    a = common_anchor(a, others)
    recipe = make_recipe(
        models=(a.source.ref, b.source.ref),
        effort=BEST if fuse == AUTO else QUICK,
        match="none",
        **{name: given for name, given in (("fuse", fuse), ("refine", refine)) if given},
        fuse_options=dict(fuse_options or {}),
        base=base and base.source.ref,
        repair=repair,
        dataset=dataset,
        lam=t,
        heads=heads,
    )
    run = run_of(recipe, (a, b), base)
    alignment = as_given(run, a, b, base, several)
    a = alignment.parents.a
    labelled = run.methods.fusion_uses_labels or refine not in (None, NO_REFINEMENT)
    splits = open_data_splits(run, (a, b), alignment.heads, labelled=labelled, refined=True)
    inputs = merge_inputs((a, b), alignment, splits, run.methods, recipe.seed)
    check_rows(run.methods, recipe.refine, inputs)
    chosen = choose_repair(run, inputs)
    inputs = shown_as_trained(run, inputs, chosen)
    aligned = paths_between(run, inputs, chosen, ())
    fused = refine_fused(run, inputs, fuse_aligned(run, inputs, aligned), compared=False)
    if isinstance(b, Aligned) and base is None:
        aligned = replace(aligned, matches=(b.match,))
        written = recipe.model_copy(update={"match": AUTO, "alignment": "alignment"})
        run = replace(run, written=pinned_recipe(written, run.sources, run.methods.trials))
    model = with_state(a.model, fused.state)
    made = fingerprint(model)
    return Merged(
        model,
        a,
        b,
        t,
        chosen.name if chosen else "none",
        fused.fusion.name,
        steps=MergeSteps(run=run, inputs=inputs, alignment=aligned, fused=fused, made=made),
    )
