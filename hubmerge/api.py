"""The five lines everyone meets: load, match, merge, report, in memory and by hand.

They do what `hubmerge.run` does, step by step, without writing anything.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as Folder

import torch

from hubmerge.align import PAIR, Parents, aligned, gather, match_all, with_state
from hubmerge.basin import based_on, gathered
from hubmerge.choices import (
    check_names,
    heads_for,
    resolved_match,
    resolved_repair,
    resolved_symmetry,
)
from hubmerge.contest import Ground, matching_of, prepare_ground, statistics_of, validation_of
from hubmerge.errors import MismatchError, RecipeError
from hubmerge.fuse import find_fusion
from hubmerge.fuse.options import Value
from hubmerge.fusing import AUTO, check_rows, given_to, learns
from hubmerge.heads import SAME, Heads
from hubmerge.hub import LoadedModel, check_mergeable, fetch, resolve
from hubmerge.hub import load as load
from hubmerge.matching import Match, match_text
from hubmerge.path import Path
from hubmerge.recipe import Recipe, make_recipe
from hubmerge.repair import Bench
from hubmerge.save import arriving_whole, read_back, write_model
from hubmerge.spec.permutation import State
from hubmerge.spec.spec import ALL
from hubmerge.workers import Workers

HALVES = (0.5, 0.5)


@dataclass
class Aligned(LoadedModel):
    """Model B lined up with model A, and A in the form it was lined up with.

    anchor: A itself, or, where something was rotated or mapped, A in canonical form.
    """

    anchor: LoadedModel
    heads: Heads | None = None
    """The one head of both, if they tell other classes apart."""


@dataclass(frozen=True)
class Found:
    """What `match` found: `.apply(b)` lines model B up; `.match` says how well."""

    parents: Parents
    match: Match
    heads: Heads | None = None

    def apply(self, b: LoadedModel) -> Aligned:
        """`b` with its classes in A's order and its units lined up; its function is the same.

        Raises: MismatchError, if `b` is not the model that was matched.
        """
        a, wanted = self.parents.loaded
        if b.source != wanted.source:
            raise MismatchError(f"this alignment is for {wanted.source.ref}", found=b.source.ref)
        (first, last), _ = based_on(self.parents, self.heads).filled(
            aligned(self.parents, [self.match]), None, HALVES
        )
        holder = _holding(wanted, last, a)
        return Aligned(**vars(holder), anchor=_holding(a, first, a), heads=self.heads)

    def __str__(self) -> str:
        return match_text(self.match)


@dataclass
class Merged:
    """A merge in memory: an ordinary transformers model, and where it came from."""

    model: torch.nn.Module
    a: LoadedModel
    b: LoadedModel
    t: float
    repair: str

    def save(self, folder: str | Folder) -> Folder:
        """Writes a stock checkpoint with A's processor and reads it back to prove it whole.

        Raises: TargetError, if `folder` exists; RoundTripError.
        """
        target = Folder(folder)
        state = self.model.state_dict()
        with arriving_whole(target) as partial:
            write_model(partial, (self.a, self.b), state)
            read_back(partial, (self.a, self.b), state)
        return target


def match(
    a: LoadedModel,
    b: LoadedModel,
    by: str = "weights",
    *,
    dataset: str | None = None,
    labels: str = "by-name",
    symmetry: str = "auto",
    seed: int = 0,
    heads: str = SAME,
) -> Found:
    """Finds the symmetry of B that lines it up with A.

    by: a registered matcher, or "auto"; those that look at activations need a `dataset` (Hub id
    or folder). symmetry: "all" the family allows, "scaled" (also "auto"), "unscaled" or
    "permutations". heads: as the recipe's: "same", "join" or "apart".
    Raises: MismatchError, LabelError, FamilyError, SpecError, LawError, DataError.
    """
    check_mergeable(a, b, other_labels=heads != SAME)
    recipe = make_recipe(
        models=(a.source.ref, b.source.ref),
        match=by,
        dataset=dataset,
        labels=labels,
        seed=seed,
        symmetry=symmetry,
        heads=heads,
    )
    check_names(recipe)
    workers = Workers()
    one = heads_for(recipe, (a, b))
    based = gathered(
        (a, b), None, labels=labels, matched=True, symmetry=resolved_symmetry(recipe), heads=one
    )
    ground = _ground(a, dataset, recipe, one) if dataset else None
    (found,) = match_all(
        based.parents,
        resolved_match(recipe),
        PAIR,
        matching_of(ground),
        workers,
        seed=seed,
        validation=validation_of(ground),
    )
    return Found(based.parents, found, one)


def merge(
    a: LoadedModel,
    b: LoadedModel,
    t: float = 0.5,
    *,
    fuse: str = "average",
    fuse_options: Mapping[str, Value] | None = None,
    repair: str = "auto",
    dataset: str | None = None,
    heads: str = SAME,
) -> Merged:
    """(1 - t) A + t B, with B as `Found.apply` returned it (or as it came: the naive average).

    fuse: a registered fusion that takes no base.
    repair: needs a `dataset` for its statistics; "auto" without one repairs batch norm on
        synthetic images.
    heads: "same", "join" or "apart"; where `b` was lined up, as it was.
    Raises: MismatchError, also where `b` was lined up with another model than `a`.
    """
    check_mergeable(a, b, other_labels=heads != SAME or isinstance(b, Aligned))
    if isinstance(b, Aligned):
        if a.source != b.anchor.source:
            raise MismatchError(
                f"{b.source.ref} was lined up with {b.anchor.source.ref}", found=a.source.ref
            )
        a = b.anchor
    recipe = make_recipe(
        models=(a.source.ref, b.source.ref),
        fuse=fuse,
        fuse_options=dict(fuse_options or {}),
        repair=repair,
        dataset=dataset,
        lam=t,
        heads=heads,
    )
    if fuse == AUTO:
        raise RecipeError("fuse auto compares merges", hint="hubmerge.run, or name a fusion")
    check_names(recipe)
    matched = repair == "repair"
    if isinstance(b, Aligned):
        based = based_on(gather((a, b), labels="by-name", matched=matched), b.heads)
    else:
        one = heads_for(recipe, (a, b))
        based = gathered((a, b), None, labels="by-name", matched=matched, symmetry=ALL, heads=one)
    a, parents = based.parents.a, based.parents
    states, _ = based.filled(parents.states, None, HALVES)
    ground = _ground(a, dataset, recipe, based.heads) if dataset else None
    chosen = resolved_repair(recipe, a, ground)
    batches = statistics_of(ground, a, recipe.seed, learns=learns(recipe))
    validation = validation_of(ground)
    check_rows(recipe, batches, validation)
    scratch = copy.deepcopy(a.model)
    bench = Bench(parents.spec, scratch, batches, Workers(), validation, head=based.head)
    path = Path(chosen, bench, states)
    state = path.fused(find_fusion(fuse), t, given_to(recipe, None)).state
    return Merged(
        with_state(a.model, state),
        a,
        b,
        t,
        chosen.name if chosen else "none",
    )


def report(merged: Merged, found: Found | None = None) -> str:
    """What was done and found, as text. What it is worth is measured by `hubmerge.run`."""
    lines = [
        f"{1 - merged.t:g} x {merged.a.source.ref} + {merged.t:g} x {merged.b.source.ref}, "
        f"repair {merged.repair}",
        str(found) if found else "nothing was matched: a plain average",
        "nothing was measured: hubmerge.run(Recipe(..., dataset=...)) compares the merge with "
        "both parents, the naive average and the ensemble",
    ]
    return "\n".join(lines)


def _ground(a: LoadedModel, dataset: str, recipe: Recipe, heads: Heads | None) -> Ground:
    return prepare_ground(str(fetch(resolve(dataset, "dataset"))), recipe, a, heads)


def _holding(b: LoadedModel, state: State, a: LoadedModel) -> LoadedModel:
    """`b` with the tensors of `state`, and A's names for its classes, whose order it now has."""
    model = with_state(b.model, state)
    model.config.id2label, model.config.label2id = a.config.id2label, a.config.label2id
    return LoadedModel(b.source, model, b.processor, b.dtype, b.dtypes, b.folder, b.tokenizer)
