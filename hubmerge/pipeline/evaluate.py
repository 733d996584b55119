"""Measuring the merge against everything it has to be compared with, on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedModel

from hubmerge.data.batches import Batches
from hubmerge.data.dataset import Data, open_data
from hubmerge.data.reading import Reading, answers_of, read_for, refuse_size
from hubmerge.data.rows import Rows, RowSet, choose_rows, training_rows
from hubmerge.data.synthetic.batches import can_be_shown, synthetic_batches
from hubmerge.errors import LabelError
from hubmerge.evaluation.comparison import compare
from hubmerge.evaluation.curve import EvalSet, measure_curves
from hubmerge.evaluation.evaluate import ParentEnsemble, outputs
from hubmerge.evaluation.outputs import ClassOutputs, Outputs
from hubmerge.evaluation.results import Comparison, Curve, Score
from hubmerge.evaluation.score import ensemble, score
from hubmerge.hub.load import LoadedModel
from hubmerge.matching import learners
from hubmerge.models.joint_head import Heads
from hubmerge.models.label_outputs import Answers
from hubmerge.pipeline.label_coverage import Known, knowing, known_scores
from hubmerge.pipeline.merge_path import Path
from hubmerge.recipe import Recipe
from hubmerge.tasks.task import LANGUAGE, task_of
from hubmerge.utils.input_batches import InputBatches, NoBatches
from hubmerge.utils.parent_names import roles, told
from hubmerge.utils.workers import Workers


@dataclass(frozen=True)
class DataSplits:
    """A data set opened and divided: disjoint sets of batches for one kind of model."""

    data: Data
    rows: Rows
    calibration: Batches
    validation: Batches
    evaluation: Batches
    notes: tuple[str, ...]
    reading: Reading
    learning: Batches
    """What a matcher may look at: the calibration rows, and more of their kind if it learns."""
    training: Training | None = None


@dataclass(frozen=True)
class Training:
    """Training rows the paths are measured on beside the reported ones, if anybody asked for some.

    used: those of the rows that are calibration rows as well, or were learned from.
    """

    rows: RowSet
    used: int
    batches: Batches


def matching_of(splits: DataSplits | None) -> InputBatches:
    """The batches matchers look at, none without data."""
    return splits.learning if splits else NoBatches()


def statistics_of(
    splits: DataSplits | None, a: LoadedModel, seed: int, *, learns: bool = False
) -> InputBatches:
    """The batches repairs and fusions look at; without calibration rows, synthetic images if `a`
    takes any.

    learns: with their labels, where every row has one.
    """
    if splits is not None and splits.calibration.rows:
        return _labelled(splits) if learns else splits.calibration
    if not can_be_shown(a.model, a.processor):
        return NoBatches()
    return synthetic_batches(a.model, a.processor, seed=seed)


def _labelled(splits: DataSplits) -> Batches:
    try:
        labels = splits.reading.batches(splits.rows.calibration, True).labels
    except LabelError:
        return splits.calibration
    return replace(splits.calibration, labels=labels)


def validation_of(splits: DataSplits | None) -> InputBatches:
    """The validation batches, none without data."""
    return splits.validation if splits else NoBatches()


@dataclass(frozen=True)
class ContenderOutputs:
    """One contender's outputs on the reported rows, and on those its temperature is fitted on."""

    evaluation: Outputs
    validation: Outputs

    @property
    def score(self) -> Score:
        """Its figures."""
        return score(self.evaluation, self.validation)


@dataclass(frozen=True)
class Evaluation:
    """All contenders by name, how the merge compares, and the curves."""

    contender_outputs: dict[str, ContenderOutputs]
    scores: dict[str, Score]
    comparisons: list[Comparison]
    naive: Curve
    matched: Curve
    on_training: tuple[Curve, Curve] | None = None
    """The naive and the matched path on training rows."""
    known: tuple[Known, ...] = ()
    """What they are worth on each parent's own labels, where these are not the same."""

    @property
    def finite(self) -> bool:
        """Whether every output of the merge is a number."""
        return self.contender_outputs["merge"].evaluation.finite


def open_splits(
    folder: str, recipe: Recipe, a: LoadedModel, heads: Heads | None = None, labelled: bool = True
) -> DataSplits:
    """Opens the fetched data set in `folder` for models like `a`, or with one head for all parents.

    labelled: whether rows without labels are refused.
    Raises: DataError, LabelError.
    """
    wanted = recipe.dataset
    assert wanted is not None
    data = open_data(
        folder,
        ref=wanted.id,
        config=wanted.config,
        split=wanted.split,
        calibration_split=wanted.calibration_split,
        image_column=wanted.image_column,
        feature_column=wanted.feature_column,
        label_column=wanted.label_column,
        text_column=wanted.text_column,
        texts=task_of(a.config) is LANGUAGE,
        labelled=labelled,
    )
    reading = read_for(
        data,
        a.model,
        a.processor,
        a.tokenizer,
        labels=a.id2label,
        by_index=recipe.align_labels == "index",
        tokens=wanted.tokens,
        heads=heads,
    )
    rows = choose_rows(data, samples=recipe.samples, calibration_samples=recipe.calibration_samples)
    calibration = reading.batches(rows.calibration, False)
    refuse_size(reading.batches(rows.evaluation, False), a.model, wanted.id)
    learning, notes, used = calibration, list(rows.notes), len(rows.calibration)
    if (learner := learners().get(recipe.match)) is not None:
        taught = learning_rows(data, rows, recipe, learner.rows_for(recipe.learning_steps))
        learning, used = reading.batches(taught, learner.labelled), max(used, len(taught))
        notes.append(f'{len(taught):,} rows of split "{taught.split}" were learned from')
    training = None
    if recipe.train_samples is not None:
        trained, again = training_rows(data, recipe.train_samples, used)
        training = Training(trained, again, reading.batches(trained, True))
    return DataSplits(
        data,
        rows,
        calibration,
        reading.batches(rows.validation, True),
        reading.batches(rows.evaluation, True),
        (*notes, *reading.notes),
        reading,
        learning,
        training,
    )


def learning_rows(data: Data, rows: Rows, recipe: Recipe, wanted: int) -> RowSet:
    """The calibration rows; more of their kind, up to `wanted`, if no number was asked for."""
    if recipe.calibration_samples is not None:
        return rows.calibration
    most = min(wanted, rows.calibration.available)
    return choose_rows(data, samples=recipe.samples, calibration_samples=most).calibration


def evaluate_contenders(
    splits: DataSplits,
    workers: Workers,
    *,
    parents: Sequence[PreTrainedModel],
    merge: PreTrainedModel,
    lam: float,
    weights: Sequence[float] | None,
    naive: Path,
    matched: Path | None,
    points: int,
    heads: Heads | None = None,
) -> Evaluation:
    """Evaluates every contender and both curves.

    parents: their classes in A's order. merge: as reloaded from disk. lam, weights: where on the
    path it lies, and of more than two parents, what each weighs at the path's far end. matched:
    None where nothing was matched, so that both paths are one. points: that may be added to a
    path around its highest ones. heads: where the parents tell other classes apart. Then they are
    untouched, each with its own outputs, and a path has ends of its own: the parents with the rows
    that others have of what they do not know.
    """

    def stand(
        name: str, model: PreTrainedModel | ParentEnsemble, answers: Answers | None = None
    ) -> ContenderOutputs:
        sets = (splits.evaluation, splits.validation)
        rows, held = sets if answers is None else (replace(s, answers=answers) for s in sets)
        return ContenderOutputs(
            outputs(model, rows, workers, name),
            outputs(model, held, workers, f"{name}, validation"),
        )

    own = {
        role: stand(told(role), parent, None if heads is None else answers_of(heads, number))
        for number, (role, parent) in enumerate(
            zip(roles("parent", len(parents)), parents, strict=True)
        )
    }
    ends = [outputs_of_contender.evaluation for outputs_of_contender in own.values()]
    held_out = [outputs_of_contender.validation for outputs_of_contender in own.values()]
    contender_outputs = {
        **own,
        "naive": stand("naive average", naive.model(lam)),
        "merge": stand("merge", merge),
    }
    kept = [[o for o in said if isinstance(o, ClassOutputs)] for said in (ends, held_out)]
    if all(len(said) == len(own) for said in kept):
        known = None if heads is None else knowing(heads)
        contender_outputs["ensemble"] = ContenderOutputs(
            *(ensemble(*said, known=known) for said in kept)
        )
    else:  # not all logits were kept: the parents are asked again, together
        contender_outputs["ensemble"] = stand("ensemble", ParentEnsemble(parents))

    eval_sets = [EvalSet(splits.evaluation, ends)]
    if (training := splits.training) is not None:
        own_ends = [] if heads is not None else parents
        said = [outputs(parent, training.batches, workers, "training rows") for parent in own_ends]
        eval_sets.append(EvalSet(training.batches, said))
    held = EvalSet(splits.validation, held_out)

    def ended(path: Path, eval_set: EvalSet) -> EvalSet:
        said = [outputs(path.holding(end), eval_set.rows, workers, "ends") for end in path.ends]
        return EvalSet(eval_set.rows, said)

    def curves(path: Path, what: str) -> list[Curve]:
        seen, judged = eval_sets, held
        if heads is not None:
            seen, judged = [ended(path, eval_set) for eval_set in eval_sets], ended(path, held)
        return measure_curves(path.model, seen, judged, workers, what, weights, points)

    naive_curves = curves(naive, "naive")
    scores = {
        name: outputs_of_contender.score for name, outputs_of_contender in contender_outputs.items()
    }
    comparisons = [
        compare(
            contender_outputs["merge"].evaluation,
            contender_outputs[other].evaluation,
            other,
            merge_temperature=scores["merge"].temperature,
            other_temperature=scores[other].temperature,
        )
        for other in contender_outputs
        if other != "merge"
    ]
    matched_curves = naive_curves if matched is None else curves(matched, "matched")
    both = list(zip(naive_curves, matched_curves, strict=True))
    own_labels: tuple[Known, ...] = ()
    if heads is not None:
        lifted = {"naive": naive.model(lam), "merge": merge}
        own_labels = known_scores(heads, splits.evaluation, parents, lifted, workers)
    on_training = both[1] if both[1:] else None
    return Evaluation(contender_outputs, scores, comparisons, *both[0], on_training, own_labels)
