"""The five lines everyone meets: load, match, merge, report, in memory and by hand.

They do what `hubmerge.run` does, step by step, and write nothing until `save_pretrained` or
`push_to_hub` is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path as Folder
from tempfile import TemporaryDirectory
from typing import Any, overload

import torch
from torch import nn
from transformers import PreTrainedModel

from hubmerge.errors import MismatchError, RecipeError
from hubmerge.fuse.options import Value
from hubmerge.hub.compare import check_mergeable
from hubmerge.hub.destination import Destination
from hubmerge.hub.load import load as load_source
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.publish import Published
from hubmerge.hub.source import resolve
from hubmerge.matching import Match, match_text
from hubmerge.matching.modules import ModuleMatch, match_modules
from hubmerge.models.fingerprint import fingerprint
from hubmerge.models.joint_head import JointHead
from hubmerge.models.states import with_state
from hubmerge.options.declared import documented
from hubmerge.pipeline.align import Alignment, paths_between
from hubmerge.pipeline.apply_matches import apply_matches
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.find_matches import match_models
from hubmerge.pipeline.fuse import FusedModel
from hubmerge.pipeline.fuse import fuse as fuse_aligned
from hubmerge.pipeline.load import MergeInputs, check_rows, joint_head, merge_inputs
from hubmerge.pipeline.methods import checked_methods
from hubmerge.pipeline.open_data import open_data_splits
from hubmerge.pipeline.parents import (
    AlignmentInputs,
    Parents,
    in_one_order,
    prepare_parents,
    without_base,
)
from hubmerge.pipeline.publish import publish_folder
from hubmerge.pipeline.refine import refine as refine_fused
from hubmerge.pipeline.repair import choose_repair, shown_as_trained
from hubmerge.pipeline.report import write_report
from hubmerge.pipeline.results import RunResults
from hubmerge.pipeline.save import save
from hubmerge.pipeline.sources import Sources, pinned_recipe
from hubmerge.planning.make_plan import make_plan
from hubmerge.recipe import AUTO, BEST, NO_REFINEMENT, QUICK, SAME, Recipe, make_recipe
from hubmerge.specs.spec import ALL
from hubmerge.symmetry.permutation import State
from hubmerge.utils.atomic_folder import atomic_folder
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.in_memory import stored_model
from hubmerge.utils.shown import Shown
from hubmerge.utils.workers import Workers

HALVES = (0.5, 0.5)


@checked
def load(
    model: str | PreTrainedModel,
    trust_remote_code: bool = False,
    *,
    processor: Any = None,
    tokenizer: Any = None,
) -> LoadedModel:
    """A model ready for work: from the Hub, from a folder, or one that is in memory.

    Parameters:
        model: a Hub id, id@revision or folder; or a model of transformers, which is taken as it is
            now and known by the hash of its content from then on.
        processor, tokenizer: what belongs to a model in memory.

    Raises: as `hubmerge.run`; WeightsError, if a key is missing, unexpected or mis-shaped, a weight
    is not finite, or the processor makes images the model does not take.
    """
    if isinstance(model, str):
        return load_source(model, trust_remote_code)
    return load_source(str(stored_model(model, processor, tokenizer)), trust_remote_code)


@dataclass(kw_only=True, repr=False)
class Aligned(LoadedModel):
    """Model B aligned with model A, in A's own coordinates.

    anchor: A itself, but for gains that nothing can be divided by, which are folded.
    """

    anchor: LoadedModel
    heads: JointHead | None = None
    """The one head of both, if their label sets differ."""
    match: Match
    """What aligned it."""


@dataclass(frozen=True, repr=False)
class Found(Shown):
    """What `match` found: `.apply(b)` aligns model B; `.match` says how well."""

    parents: Parents
    match: Match
    heads: JointHead | None = None
    text_by = "hubmerge.api:found_text"

    def apply(self, b: LoadedModel | PreTrainedModel) -> Aligned:
        """`b` with its classes in A's order and its units aligned; its function is the same.

        Raises: MismatchError, if `b` is not the model that was matched.
        """
        b = _in_memory(b)
        a, wanted = self.parents.loaded
        if b.source.sha != wanted.source.sha:
            raise MismatchError(f"this alignment is for {wanted.source.ref}", found=b.source.ref)
        (first, last), _ = without_base(self.parents, self.heads).filled(
            apply_matches(self.parents, [self.match]), None, HALVES
        )
        holder = _holding(wanted, last, a)
        anchor = _holding(a, first, a)
        return Aligned(**vars(holder), anchor=anchor, heads=self.heads, match=self.match)


def found_text(found: Found) -> str:
    """What was found, a line per space."""
    return match_text(found.match)


@dataclass(frozen=True, kw_only=True)
class MergeSteps:
    """What the steps of a merge in memory found, for its report."""

    run: Run
    inputs: MergeInputs
    alignment: Alignment
    fused: FusedModel
    made: str
    """The fingerprint of the merge."""


@dataclass(repr=False)
class Merged(Shown):
    """A merge in memory: an ordinary transformers model, and where it came from.

    model: yours to use. a, b: what was merged. t: the weight of B. repair, fuse: the methods.
    """

    model: torch.nn.Module
    a: LoadedModel
    b: LoadedModel
    t: float
    repair: str
    fuse: str
    """The fusion that made it: the one that was named, or, of `auto`, the one that was kept."""
    steps: MergeSteps = field(kw_only=True)
    text_by = "hubmerge.api:report"

    def save_pretrained(self, folder: str | Folder) -> Folder:
        """Writes a stock checkpoint with A's processor, recipe, report and card, and reads it back.

        Returns: the folder. Raises: TargetError, if `folder` exists; RoundTripError; MismatchError,
        if a parent's files are not those that were loaded, or `model` was changed.
        """
        if fingerprint(self.model) != self.steps.made:
            raise MismatchError(
                "the merge was changed after it was made, so that no recipe makes it",
                found="tensors or a configuration that are not those of the merge",
                hint="model.save_pretrained saves it as it is, without report and recipe",
            )
        target = Folder(folder)
        given = self.steps
        run = replace(given.run, destination=Destination(out=target), out=target)
        plan = make_plan(run)
        fused = replace(
            given.fused, fused=replace(given.fused.fused, state=self.model.state_dict())
        )
        with atomic_folder(target) as partial:
            saved = save(run, given.inputs, fused, partial)
            results = RunResults(
                run=run,
                plan=plan,
                inputs=given.inputs,
                alignment=given.alignment,
                fused=fused,
                saved=saved,
                evaluation=None,
                surveys=None,
            )
            write_report(results, partial, {})
        return target

    def push_to_hub(
        self,
        repo: str,
        *,
        private: bool | None = None,
        create_pr: bool = False,
        revision: str | None = None,
        exist_ok: bool = False,
    ) -> Published:
        """Publishes what `save_pretrained` writes, in one commit; options as of `Destination`.

        Raises: as `save_pretrained`; TargetError, AccessError, HubUnavailableError, ConflictError,
        VerificationError.
        """
        destination = Destination(
            push=repo, private=private, create_pr=create_pr, revision=revision, exist_ok=exist_ok
        )
        with TemporaryDirectory(prefix="hubmerge-") as beside:
            return publish_folder(self.save_pretrained(Folder(beside) / "merge"), destination)

    def _summary(self) -> str:
        return (
            f"{1 - self.t:g} x {self.a.source.ref} + {self.t:g} x {self.b.source.ref}, fuse "
            f"{self.fuse}, repair {self.repair}, {type(self.model).__name__}"
        )


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
    a, b = _in_memory(a), _in_memory(b)
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
    run = _run(recipe, (a, b))
    joint = joint_head(run, (a, b))
    alignment = prepare_parents(
        (a, b), None, labels=align_labels, matched=True, symmetry=run.methods.symmetry, heads=joint
    )
    splits = open_data_splits(run, (a, b), joint, labelled=run.methods.matcher_uses_labels)
    (found,) = match_models(run, merge_inputs((a, b), alignment, splits, run.methods, recipe.seed))
    return Found(alignment.parents, found, joint)


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
    a, b = _in_memory(a), _in_memory(b)
    base = None if base is None else _in_memory(base)
    others = (b,) if base is None else (b, base)
    several = heads != SAME or any(isinstance(each, Aligned) and each.heads for each in others)
    if several and base is not None:
        raise RecipeError(
            "in memory, models with different label sets take no base",
            hint="hubmerge.run takes one",
        )
    check_mergeable(a, *others, other_labels=several)
    a = _anchor(a, others)
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
    run = _run(recipe, (a, b), base)
    alignment = _as_given(run, a, b, base, several)
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


def _in_memory(model: LoadedModel | PreTrainedModel) -> LoadedModel:
    """A model ready for work; one that was changed since it was loaded as the object that it is.

    Raises: MismatchError, if it was changed after it was aligned with another.
    """
    if not isinstance(model, LoadedModel):
        return load(model)
    if not model.changed:
        return model
    if isinstance(model, Aligned):
        raise MismatchError(
            f"{model.source.ref} was changed after it was aligned",
            found="its tensors or its configuration are not those that `apply` gave",
            hint="match the changed model again, or give its `.model`, which is taken as it is",
        )
    return load(model.model, processor=model.processor, tokenizer=model.tokenizer)


def _run(recipe: Recipe, models: Sequence[LoadedModel], base: LoadedModel | None = None) -> Run:
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


def _as_given(
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


def _anchor(a: LoadedModel, others: Sequence[LoadedModel]) -> LoadedModel:
    """A in the form that all `others` are aligned with; A itself for those that came as they are.

    Raises: MismatchError, if one was aligned with another model, or another form of A.
    """
    forms = [other.anchor if isinstance(other, Aligned) else a for other in others]
    for other, form in zip(others, forms, strict=True):
        if form.source.sha != a.source.sha:
            raise MismatchError(
                f"{other.source.ref} was aligned with {form.source.ref}", found=a.source.ref
            )
    first, *rest = (form.model.state_dict() for form in forms)
    if any(not torch.equal(first[name], state[name]) for state in rest for name in first):
        raise MismatchError(
            "what is merged is aligned with different forms of A",
            found=", ".join(other.source.ref for other in others),
            hint='match(..., symmetry="permutations") leaves A as it is',
        )
    return forms[0]


@checked
def report(merged: Merged, found: Found | None = None) -> str:
    """What was done and found, as text. What it is worth is measured by `hubmerge.run`."""
    lines = [
        f"{1 - merged.t:g} x {merged.a.source.ref} + {merged.t:g} x {merged.b.source.ref}, "
        f"fuse {merged.fuse}, repair {merged.repair}",
        _how_matched(merged, found),
        "nothing was measured: hubmerge.run(Recipe(..., dataset=...)) compares the merge with "
        "both parents, the naive average and the ensemble",
    ]
    return "\n".join(lines)


def _how_matched(merged: Merged, found: Found | None) -> str:
    if found is not None:
        return str(found)
    matches = merged.steps.alignment.matches
    return match_text(matches[0]) if matches else "nothing was matched: the units are as they came"


def _holding(b: LoadedModel, state: State, a: LoadedModel) -> LoadedModel:
    """`b` with the tensors of `state`, and A's names for its classes, whose order it now has."""
    model = with_state(b.model, state)
    model.config.id2label, model.config.label2id = a.config.id2label, a.config.label2id
    return replace(_plain(b), model=model, fingerprint=fingerprint(model))


def _plain(model: LoadedModel) -> LoadedModel:
    names = [each.name for each in fields(LoadedModel)]
    return LoadedModel(**{name: getattr(model, name) for name in names})
