"""Refine the merge on unlabelled rows; and the better parent alike, to be compared with."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

from torch import Tensor

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
from hubmerge.recipe import NO_REFINEMENT
from hubmerge.refine import Judged, Refinement, distill
from hubmerge.repair import batch_norms, find_repair
from hubmerge.symmetry.permutation import State
from hubmerge.utils.checkpoint_store import CheckpointStore


def refine(
    run: Run, inputs: MergeInputs, fused: FusedModel, *, compared: bool = True
) -> FusedModel:
    """The merge, refined where the recipe asks for it and validation rows say that it helps.

    compared: whether the better parent is refined by the same means as well, as a contender.
    Called by all processes alike.
    """
    if run.recipe.refine == NO_REFINEMENT:
        return fused
    refiner = _Refiner(run, inputs)
    merge = refiner.judged(fused.state, "merge")
    found = Refinement(steps=run.recipe.refine_steps, merge=merge)
    if compared:
        number = refiner.better_parent()
        refined = refiner.judged(inputs.parents.states[number], "better parent")
        found = replace(found, parent=number, refined_parent=refined)
    return replace(fused, fused=replace(fused.fused, state=merge.state), refinement=found)


class _Refiner:
    """Teaches networks what the parents say together, each by the same rows, steps and choices."""

    def __init__(self, run: Run, inputs: MergeInputs) -> None:
        assert inputs.splits is not None
        self._run, self._validation = run, inputs.splits.validation
        self._parents = inputs.parents.states
        self._context = MethodContext(
            None,
            copy.deepcopy(inputs.parents.a.model),
            inputs.splits.calibration,
            run.workers,
            inputs.splits.watched,
            CheckpointStore(cache_folder().parent / CHECKPOINTS),
        )

    def better_parent(self) -> int:
        """Number of the parent with the least loss on validation rows; the first wins ties."""
        losses = [_loss(self._said(state, "parents")) for state in self._parents]
        return losses.index(min(losses))

    def judged(self, start: State, what: str) -> Judged:
        """A network, or what it becomes by learning, where validation rows gain by that."""
        recipe = self._run.recipe
        refined = distill(
            start, self._parents, self._context, steps=recipe.refine_steps, seed=recipe.seed
        )
        before = after = self._said(start, f"{what}, as it was")
        state, kept = refined.state, False
        if refined.best_step:
            state = self._with_statistics(state)
            after = self._said(state, f"{what}, refined")
            kept = not _certainly_worse(after, before)
        return Judged(
            state=state if kept else dict(start),
            refined=refined,
            loss_before=_loss(before),
            loss_after=_loss(after),
            kept=kept,
        )

    def _with_statistics(self, state: State) -> dict[str, Tensor]:
        """Running statistics of batch norms measured anew, as by the repair `batchnorm`."""
        if not batch_norms(self._context.scratch):
            return dict(state)
        repairer = find_repair("batchnorm").function(self._context, self._parents)
        return repairer(state, [1 / len(self._parents)] * len(self._parents))

    def _said(self, state: State, what: str) -> Outputs:
        """What a network says of labelled validation rows."""
        model = with_state(self._context.scratch, state)
        return outputs(model, self._validation, self._run.workers, what)


def _loss(said: Outputs) -> float:
    """In nats, calibrated on the same rows where it can be."""
    found = score(said, said)
    loss = found.loss if found.calibrated_loss is None else found.calibrated_loss
    return loss if math.isfinite(loss) else math.inf


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
