"""Evaluate the merge, as reloaded from disk, beside everything it has to be compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedModel

from hubmerge.data.reading import answers_of
from hubmerge.data.splits import DataSplits
from hubmerge.evaluation.comparison import compare
from hubmerge.evaluation.curve import (
    GRID,
    PATH_POINTS,
    QUARTERS,
    SHORT_POINTS,
    EvalSet,
    measure_curves,
)
from hubmerge.evaluation.evaluate import ParentEnsemble, outputs
from hubmerge.evaluation.label_coverage import LabelCoverage, coverage_of, known_labels
from hubmerge.evaluation.results import Comparison, Curve, Score
from hubmerge.evaluation.score import score
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.models.joint_head import JointHead
from hubmerge.models.label_outputs import Answers
from hubmerge.models.outputs import Outputs
from hubmerge.models.states import with_state
from hubmerge.pipeline.align import Alignment
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.fuse import FusedModel
from hubmerge.pipeline.load import MergeInputs
from hubmerge.pipeline.merge_path import MergePath
from hubmerge.pipeline.save import as_stored
from hubmerge.recipe import NO_PATH
from hubmerge.tasks import measure_on
from hubmerge.utils.parent_names import REFINED_PARENT, display_name, roles
from hubmerge.utils.workers import Workers


@dataclass(frozen=True)
class ContenderOutputs:
    """One contender's outputs on the reported rows, and on those its temperature is fitted on."""

    evaluation: Outputs
    validation: Outputs

    def score(self, *, has_loss: bool) -> Score:
        """Its figures. has_loss: whether rows have one."""
        return score(self.evaluation, self.validation, has_loss=has_loss)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All contenders by name, how the merge compares, and the curves.

    naive, matched: None where rows have no loss, or the recipe leaves the path out.
    on_training: the naive and the matched path on training rows. label_coverage: what contenders
    are worth on each parent's own labels, where these are not the same.
    """

    outputs: Mapping[str, ContenderOutputs]
    scores: Mapping[str, Score]
    comparisons: Sequence[Comparison]
    naive: Curve | None
    matched: Curve | None
    on_training: tuple[Curve, Curve] | None = None
    label_coverage: tuple[LabelCoverage, ...] = ()

    @property
    def finite(self) -> bool:
        """Whether every output of the merge is a number."""
        return self.outputs["merge"].evaluation.finite


def evaluate(
    run: Run, inputs: MergeInputs, alignment: Alignment, fused: FusedModel, merge: LoadedModel
) -> Evaluation | None:
    """Measures every contender and both curves; None without data. Called by all processes alike.

    Where the parents' label sets differ they are untouched, each with its own outputs, and a
    path has ends of its own: the parents with the rows that others have of what they do not know.
    """
    if inputs.splits is None:
        return None
    contenders = Contenders(inputs, inputs.splits, run.workers)
    naive_average = alignment.naive.model(fused.lam)
    found = contenders.measure(naive_average, merge.model, _refined_parent(run, inputs, fused))
    has_loss = contenders.measured.words.has_loss
    scores = {name: each.score(has_loss=has_loss) for name, each in found.items()}
    naive: list[Curve] = []
    matched: list[Curve] = []
    if has_loss and run.recipe.path != NO_PATH:
        curves = _Curves(run, contenders, found)
        naive = curves.along(alignment.naive, "naive", is_merges=alignment.matched is None)
        matched = naive if alignment.matched is None else curves.along(alignment.matched, "matched")
    coverage: tuple[LabelCoverage, ...] = ()
    if inputs.heads is not None:
        lifted = {"naive": alignment.naive.model(fused.lam), "merge": merge.model}
        coverage = coverage_of(
            inputs.heads, inputs.splits.evaluation, contenders.parents, lifted, run.workers
        )
    return Evaluation(
        outputs=found,
        scores=scores,
        comparisons=_comparisons(found, scores, has_loss=has_loss),
        naive=naive[0] if naive else None,
        matched=matched[0] if matched else None,
        on_training=(naive[1], matched[1]) if naive[1:] else None,
        label_coverage=coverage,
    )


def _refined_parent(run: Run, inputs: MergeInputs, fused: FusedModel) -> PreTrainedModel | None:
    """The better parent as refining left it, rounded as the merge is; None if none was refined."""
    refined = fused.refinement.refined_parent if fused.refinement else None
    if refined is None:
        return None
    rounded = as_stored(refined.state, inputs.models, run.methods.stored_as.dtype)
    return with_state(inputs.parents.a.model, rounded)


def _comparisons(
    outputs: Mapping[str, ContenderOutputs], scores: Mapping[str, Score], *, has_loss: bool
) -> list[Comparison]:
    """The merge against every other contender, row by row."""
    return [
        compare(
            outputs["merge"].evaluation,
            outputs[other].evaluation,
            other,
            merge_temperature=scores["merge"].temperature,
            other_temperature=scores[other].temperature,
            has_loss=has_loss,
        )
        for other in outputs
        if other != "merge"
    ]


class Contenders:
    """The parents, and how contenders are run on the reported and the validation rows."""

    def __init__(self, inputs: MergeInputs, splits: DataSplits, workers: Workers) -> None:
        self.splits, self.workers, self.heads = splits, workers, inputs.heads
        first = inputs.models[0]
        self.measured = measure_on(first.config, first.source.ref, splits.reading.measure)
        aligned = [inputs.parents.model(number) for number in range(len(inputs.models))]
        untouched = [model.model for model in inputs.models]
        self.parents: list[PreTrainedModel] = aligned if self.heads is None else untouched

    def asked(
        self, naive: PreTrainedModel, merge: PreTrainedModel
    ) -> dict[str, tuple[str, PreTrainedModel, Answers | None]]:
        """Parents, naive average and merge: role -> how it is shown, the model, and the answers it
        knows where the parents' label sets differ.
        """
        names = roles("parent", len(self.parents))
        found: dict[str, tuple[str, PreTrainedModel, Answers | None]] = {
            role: (display_name(role), parent, _answers(self.heads, number))
            for number, (role, parent) in enumerate(zip(names, self.parents, strict=True))
        }
        return found | {"naive": ("naive average", naive, None), "merge": ("merge", merge, None)}

    def measure(
        self,
        naive: PreTrainedModel,
        merge: PreTrainedModel,
        refined_parent: PreTrainedModel | None = None,
    ) -> dict[str, ContenderOutputs]:
        """Every contender by name."""
        asked = self.asked(naive, merge)
        if refined_parent is not None:
            asked[REFINED_PARENT] = ("refined parent", refined_parent, None)
        found = {
            role: self._run(f"{name}, pass {number} of {len(asked)}", model, answers)
            for number, (role, (name, model, answers)) in enumerate(asked.items(), 1)
        }
        own = [found[role] for role in roles("parent", len(self.parents))]
        if self.measured.ensemble:
            found["ensemble"] = self._ensemble(own)
        return found

    def _run(
        self, name: str, model: PreTrainedModel | ParentEnsemble, answers: Answers | None = None
    ) -> ContenderOutputs:
        sets = (self.splits.evaluation, self.splits.validation)
        rows, held = sets if answers is None else (replace(s, answers=answers) for s in sets)
        return ContenderOutputs(
            outputs(model, rows, self.workers, name),
            outputs(model, held, self.workers, f"{name}, validation"),
        )

    def _ensemble(self, own: Sequence[ContenderOutputs]) -> ContenderOutputs:
        """The parents' mean prediction: from their outputs, where enough is kept of them."""
        combine = self.measured.combine
        if combine is None:
            return self._run("ensemble", ParentEnsemble(self.parents))
        known = None if self.heads is None else known_labels(self.heads)
        return ContenderOutputs(
            combine([each.evaluation for each in own], known),
            combine([each.validation for each in own], known),
        )


class _Curves:
    """Loss along paths, on the reported rows and, if asked for, on training rows."""

    def __init__(
        self, run: Run, contenders: Contenders, found: Mapping[str, ContenderOutputs]
    ) -> None:
        self._run, self._heads, self._workers = run, contenders.heads, contenders.workers
        splits, parents = contenders.splits, contenders.parents
        own = [found[role] for role in roles("parent", len(parents))]
        self._eval_sets = [EvalSet(splits.evaluation, [each.evaluation for each in own])]
        if (training := splits.training) is not None:
            ends = [] if self._heads is not None else parents
            given = [outputs(end, training.batches, self._workers, "training rows") for end in ends]
            self._eval_sets.append(EvalSet(training.batches, given))
        self._validation = EvalSet(splits.validation, [each.validation for each in own])

    def along(self, path: MergePath, what: str, *, is_merges: bool = True) -> list[Curve]:
        """One curve per set of rows. is_merges: whether the merge lies on the path."""
        eval_sets, validation = self._eval_sets, self._validation
        if self._heads is not None:
            eval_sets = [self._with_ends_of(path, each) for each in eval_sets]
            validation = self._with_ends_of(path, validation)
        recipe = self._run.recipe
        if recipe.full_path:
            grid, budget = GRID, PATH_POINTS if recipe.path_points is None else recipe.path_points
        else:
            grid, budget = QUARTERS, SHORT_POINTS if is_merges else 0
            path = path.on_fewer_rows()
        return measure_curves(
            path.model,
            eval_sets,
            validation,
            self._workers,
            what,
            recipe.mixture,
            budget,
            grid,
        )

    def _with_ends_of(self, path: MergePath, eval_set: EvalSet) -> EvalSet:
        ends = [
            outputs(path.holding(end), eval_set.rows, self._workers, "ends") for end in path.ends
        ]
        return EvalSet(eval_set.rows, ends)


def _answers(heads: JointHead | None, parent: int) -> Answers | None:
    return None if heads is None else answers_of(heads, parent)
