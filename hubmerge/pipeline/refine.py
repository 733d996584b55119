"""Refine the merge on unlabelled rows; and the better parent alike, to be compared with."""

from __future__ import annotations

import copy
import time
from dataclasses import replace

from torch import Tensor

from hubmerge.data.batches import Batches
from hubmerge.evaluation.comparison import compare
from hubmerge.evaluation.evaluate import outputs
from hubmerge.evaluation.score import score, temperature_of
from hubmerge.hub.client import cache_folder
from hubmerge.models.method_context import MethodContext
from hubmerge.models.outputs import Outputs
from hubmerge.models.states import with_state
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.fuse import FusedModel
from hubmerge.pipeline.load import MergeInputs
from hubmerge.pipeline.match import CHECKPOINTS
from hubmerge.pipeline.merge_path import POINT_ROWS
from hubmerge.recipe import AUTO, BEST, NO_REFINEMENT, leaves_out_refinement
from hubmerge.refine import Judged, Refinement, distill, lessons
from hubmerge.repair import batch_norms, find_repair
from hubmerge.symmetry.permutation import State
from hubmerge.tasks import measure_of
from hubmerge.utils.checkpoint_store import CheckpointStore

LOOKED_AT = 1_000
"""Validation rows by whose labels the step is chosen, at most."""

ENOUGH = 300
"""Validation rows whose labels can choose a step, at least: the loss on fewer is noise, and what
the parents predict says more."""


def refine(
    run: Run, inputs: MergeInputs, fused: FusedModel, *, compared: bool = True
) -> FusedModel:
    """The merge, refined where recipe or effort ask for it and validation rows say that it helps.

    compared: whether the better parent is refined by the same means as well, as a contender; effort
    best hands it out as the result, where it is certainly better on validation rows.
    Called by all processes alike.
    """
    trials = run.methods.trials
    if trials.refine == NO_REFINEMENT or why_not_refined(run, inputs) is not None:
        return fused
    refiner = _Refiner(run, inputs)
    merge = refiner.judged(fused.state, "merge")
    found = Refinement(steps=trials.refine_steps, merge=merge)
    if compared:
        number = refiner.better_parent()
        refined = refiner.judged(inputs.parents.states[number], "better parent")
        found = replace(found, parent=number, refined_parent=refined)
        if run.recipe.effort == BEST and run.recipe.refine == AUTO:
            found = replace(found, handed_out=refiner.is_better(refined.state, merge.state))
    state = merge.state
    if found.handed_out and found.refined_parent is not None:
        state = found.refined_parent.state
    return replace(fused, fused=replace(fused.fused, state=state), refinement=found)


def why_not_refined(run: Run, inputs: MergeInputs) -> str | None:
    """Why nothing is refined although the effort would; None if it is, or none is asked for."""
    recipe, model = run.recipe, inputs.parents.a.model
    if recipe.refine != AUTO or run.methods.trials.refine == NO_REFINEMENT:
        return None
    splits = inputs.splits
    for rows, what in (
        (splits and splits.refining, "calibration"),
        (splits and splits.validation, "validation"),
    ):
        if rows is None or not rows.rows:
            return f"there are no {what} rows"
    measure = measure_of(model.config)
    return leaves_out_refinement(
        recipe,
        one_of_n=measure is not None and measure.one_of_n,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


class _Refiner:
    """Teaches networks what the parents say together, each by the same rows, steps and choices."""

    def __init__(self, run: Run, inputs: MergeInputs) -> None:
        assert inputs.splits is not None
        self._run, self._validation = run, inputs.splits.validation
        self._parents = inputs.parents.states
        self._context = MethodContext(
            None,
            copy.deepcopy(inputs.parents.a.model),
            inputs.splits.refining,
            run.workers,
            inputs.splits.watched,
            CheckpointStore(cache_folder().parent / CHECKPOINTS),
        )
        self._statistics = replace(self._context, batches=inputs.splits.calibration)
        self._lessons = lessons(self._parents, self._context, run.recipe.seed)

    def better_parent(self) -> int:
        """Number of the parent with the least loss on validation rows; the first wins ties."""
        losses = [_loss(self._said(state, "parents")) for state in self._parents]
        return losses.index(min(losses))

    def judged(self, start: State, what: str) -> Judged:
        """A network, or what it becomes by learning, where validation rows gain by that."""
        start_time = time.monotonic()
        refined = distill(
            start,
            self._parents,
            self._context,
            steps=self._run.methods.trials.refine_steps,
            seed=self._run.recipe.seed,
            sampler=self._lessons,
            look=self._look if self._by_labels else None,
        )
        seconds = time.monotonic() - start_time
        before = after = self._said(start, f"{what}, as it was")
        state, kept = refined.state, False
        if refined.best_step:
            state = self._with_statistics(state)
            after = self._said(state, f"{what}, refined")
            kept = not _certainly_worse(after, before)
            if self._by_labels:
                kept = kept and _loss(after) < _loss(before)
        return Judged(
            state=state if kept else dict(start),
            refined=refined,
            loss_before=_loss(before),
            loss_after=_loss(after),
            kept=kept,
            seconds=seconds,
        )

    @property
    def _by_labels(self) -> bool:
        return self._validation.rows >= ENOUGH

    def _look(self, state: State) -> float:
        """Loss on labelled validation rows, of a network that has learned."""
        state = self._with_statistics(state, POINT_ROWS)
        model, rows = with_state(self._context.scratch, state), self._validation.first(LOOKED_AT)
        return _loss(outputs(model, rows, self._run.workers, "looking"))

    def is_better(self, state: State, other: State) -> bool:
        """Whether validation rows say surely that a network is better than another."""
        said, theirs = self._said(state, "refined parent"), self._said(other, "merge")
        return _certainly_worse(theirs, said) and not _certainly_worse(said, theirs)

    def _with_statistics(self, state: State, rows: int | None = None) -> dict[str, Tensor]:
        """Running statistics of batch norms measured anew, as by the repair `batchnorm`: on so many
        calibration rows, or on all."""
        if not batch_norms(self._context.scratch):
            return dict(state)
        context = self._statistics
        if rows is not None and isinstance(context.batches, Batches):
            context = replace(context, batches=context.batches.first(rows))
        repairer = find_repair("batchnorm").function(context, self._parents)
        return repairer(state, [1 / len(self._parents)] * len(self._parents))

    def _said(self, state: State, what: str) -> Outputs:
        """What a network says of labelled validation rows."""
        model = with_state(self._context.scratch, state)
        return outputs(model, self._validation, self._run.workers, what)


def _loss(said: Outputs) -> float:
    """In nats, calibrated on the same rows where it can be."""
    return score(said, said).judged_loss


def _certainly_worse(refined: Outputs, start: Outputs) -> bool:
    """Whether labels veto what is nearer to the parents' mean: surely less accurate, or more loss.

    Few rows cannot say that a small difference is one; what the parents predict says it by far.
    """
    if not refined.finite:
        return True
    temperatures = temperature_of(refined), temperature_of(start)
    found = compare(
        refined,
        start,
        "the start",
        merge_temperature=temperatures[0],
        other_temperature=temperatures[1],
    )
    less = found.accuracy_high is not None and found.accuracy_high < 0
    return less or (found.calibrated_loss_low is not None and found.calibrated_loss_low > 0)
