"""Match two models, or two modules of any class."""

from __future__ import annotations

from typing import Any, overload

from torch import nn
from transformers import PreTrainedModel

from hubmerge.api.found import Found
from hubmerge.api.loading import in_memory
from hubmerge.api.steps import run_of
from hubmerge.hub.compare import check_mergeable
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.matching.modules import ModuleMatch, match_modules
from hubmerge.options.declared import documented
from hubmerge.pipeline.find_matches import match_models
from hubmerge.pipeline.load import joint_head, merge_inputs
from hubmerge.pipeline.open_data import open_data_splits
from hubmerge.pipeline.parents import prepare_parents
from hubmerge.recipe import AUTO, QUICK, SAME, Recipe, make_recipe
from hubmerge.utils.checked_calls import checked


@overload
def match(
    a: LoadedModel | PreTrainedModel,
    b: LoadedModel | PreTrainedModel,
    by: str = AUTO,
    *,
    dataset: Any = None,
    align_labels: str = "name",
    symmetry: str = "auto",
    seed: int = 0,
    heads: str = SAME,
) -> Found: ...


@overload
def match(
    a: nn.Module, b: nn.Module, by: str = AUTO, *, inputs: Any, seed: int = 0
) -> ModuleMatch: ...


@checked
@documented(Recipe, by="match")
def match(
    a: Any,
    b: Any,
    by: str = AUTO,
    *,
    inputs: Any = None,
    dataset: Any = None,
    align_labels: str = "name",
    symmetry: str = "auto",
    seed: int = 0,
    heads: str = SAME,
) -> Found | ModuleMatch:
    """Finds the symmetry of B that aligns it with A.

    Two modules of any other class than those of transformers are matched by a spec derived of them
    with example `inputs` of their forward (a tensor, several in order, or a dictionary by name);
    what comes back holds a `state` for `b.load_state_dict`.
    Raises: MismatchError, LabelError, FamilyError, SpecError, LawError, DataError; DerivationError
    and ResourceError of other modules.
    """
    if not isinstance(a, LoadedModel | PreTrainedModel) and isinstance(a, nn.Module):
        return match_modules(a, b, inputs, "weights" if by == AUTO else by, seed)
    a, b = in_memory(a), in_memory(b)
    check_mergeable(a, b, other_labels=heads != SAME)
    recipe = make_recipe(
        models=(a.source.ref, b.source.ref),
        effort=QUICK,
        match=by,
        dataset=dataset,
        align_labels=align_labels,
        seed=seed,
        symmetry=symmetry,
        heads=heads,
    )
    run = run_of(recipe, (a, b))
    joint = joint_head(run, (a, b))
    alignment = prepare_parents(
        (a, b), None, labels=align_labels, matched=True, symmetry=run.methods.symmetry, heads=joint
    )
    splits = open_data_splits(run, (a, b), joint, labelled=run.methods.matcher_uses_labels)
    (found,) = match_models(run, merge_inputs((a, b), alignment, splits, run.methods, recipe.seed))
    return Found(alignment.parents, found, joint)
