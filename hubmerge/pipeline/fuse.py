"""Fuse the aligned parents into one state, repaired where the fusion leaves that open."""

from __future__ import annotations

from dataclasses import dataclass, replace

from transformers import PreTrainedModel

from hubmerge.data.splits import split_validation
from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.evaluation.curve import choose_lambda
from hubmerge.evaluation.evaluate import outputs
from hubmerge.fuse import Fused, Fusion, Given, find_fusion
from hubmerge.matching import Match
from hubmerge.models.outputs import Outputs
from hubmerge.pipeline.align import Alignment
from hubmerge.pipeline.auto_fuse import FusionTrial, best_fusion
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.load import MergeInputs
from hubmerge.pipeline.merge_path import LINEAR
from hubmerge.pipeline.stream import fused_later
from hubmerge.recipe import AUTO
from hubmerge.refine import Refinement
from hubmerge.symmetry.permutation import State
from hubmerge.tasks import measure_of


@dataclass(frozen=True, kw_only=True)
class FusedModel:
    """What the merge consists of.

    fusion: the one that made it. fused: what it made, without tensors where these are made as they
    are saved. weights: what the fusion was given, one per parent. lam: the weight of parent B of
    two, at which the path is compared; lam_chosen: whether validation rows chose it. trials: what
    else was tried. refinement: what refining it came to, where that was asked for. matches: what
    the parents after A are brought into its order by, where tensors are made as they are saved.
    """

    fusion: Fusion
    fused: Fused
    weights: tuple[float, ...]
    lam: float
    lam_chosen: bool
    trials: tuple[FusionTrial, ...]
    refinement: Refinement | None = None
    matches: tuple[Match, ...] = ()

    @property
    def state(self) -> State:
        """The merge's tensors."""
        return self.fused.state

    def without_tensors(self) -> FusedModel:
        """The same for a caller that needs no more than what was decided: tensors take memory."""
        return replace(self, fused=replace(self.fused, state={}))


def fuse(run: Run, inputs: MergeInputs, alignment: Alignment) -> FusedModel:
    """Fuses and repairs the aligned parents. Called by all processes alike.

    Raises: RecipeError, if lambda is to be chosen and there are no validation rows.
    """
    path, recipe, methods = alignment.path, run.recipe, run.methods
    lam, chosen = _lambda(run, inputs, alignment)
    weights = tuple(path.weights(lam))
    given = Given(base=alignment.base, seed=recipe.seed, options=recipe.fuse_options)

    def make(fusion: Fusion) -> Fused:
        if inputs.streamed:
            return fused_later(fusion, weights, given)
        return path.fused(fusion, lam, given, methods.subset)

    if methods.fusion is not None:
        fused = make(methods.fusion)
        return FusedModel(
            fusion=methods.fusion,
            fused=fused,
            weights=weights,
            lam=lam,
            lam_chosen=chosen,
            trials=(),
            matches=alignment.matches if inputs.streamed else (),
        )
    validation = inputs.validation

    def measure(fused: Fused, what: str) -> Outputs:
        assert validation is not None
        rows = split_validation(validation)[1] if methods.splits_validation else validation
        return outputs(path.holding(fused.state), rows, run.workers, what)

    measured = measure_of(inputs.models[0].config)
    fusion, fused, trials = best_fusion(
        methods.compared,
        make,
        measure,
        inputs.statistics,
        validation,
        one_of_n=measured is None or measured.one_of_n,
    )
    return FusedModel(
        fusion=fusion, fused=fused, weights=weights, lam=lam, lam_chosen=chosen, trials=trials
    )


def _lambda(run: Run, inputs: MergeInputs, alignment: Alignment) -> tuple[float, bool]:
    """The weight of parent B, and whether it was chosen on validation rows.

    Of more than two parents the merge is the far end of the path.
    """
    recipe, path, subset = run.recipe, alignment.path, run.methods.subset
    if recipe.mixture is not None:
        return 1.0, False
    if run.methods.trials.lam != AUTO:
        return recipe.first_lambda, False
    validation = inputs.validation
    if validation is None or not validation.rows:
        if recipe.lam != AUTO:  # the effort would choose it
            return recipe.first_lambda, False
        raise RecipeError(
            f"{option('lam', AUTO)} chooses on validation rows",
            found="none are left for it",
            hint=f"ask for fewer rows by {option('samples')}, or give {option('lam')} a number",
            field="lam",
        )

    def point(lam: float) -> PreTrainedModel:
        return path.holding(path.fused(find_fusion(LINEAR), lam, part=subset).state)

    lam, _ = choose_lambda(path.model if subset.whole else point, validation, run.workers)
    return lam, True
