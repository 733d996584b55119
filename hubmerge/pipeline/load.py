"""Load the parents, the base and the data set, and bring all classes into one order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from hubmerge.data.batches import Batches
from hubmerge.data.splits import DataSplits, split_validation
from hubmerge.data.synthetic.batches import can_be_shown, synthetic_batches
from hubmerge.errors import RecipeError
from hubmerge.errors.wording import leave_out, option
from hubmerge.hub.compare import common_head
from hubmerge.hub.fetch import fetch
from hubmerge.hub.load import load as load_model
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.source import Source
from hubmerge.matching import learners
from hubmerge.models.joint_head import JointHead
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.match import MatchRows
from hubmerge.pipeline.methods import Methods, check_fusion_rows
from hubmerge.pipeline.open_data import open_data_splits
from hubmerge.pipeline.parents import AlignmentInputs, Parents, prepare_parents
from hubmerge.pipeline.prepare import prepared
from hubmerge.pipeline.stream import outlines, states_on_disk
from hubmerge.recipe import AUTO, NO_REFINEMENT
from hubmerge.tasks import measure_on
from hubmerge.utils.input_batches import InputBatches, NoBatches


@dataclass(frozen=True, kw_only=True)
class MergeInputs:
    """Models and data of a merge.

    models: the parents as they were loaded. alignment: the same with all classes in one order.
    statistics: what repairs and fusions look at: calibration rows, or, without any, synthetic
    images where the models take images. streamed: the weights of all models are on disk alone.
    """

    models: tuple[LoadedModel, ...]
    alignment: AlignmentInputs
    splits: DataSplits | None
    statistics: InputBatches
    streamed: bool = False

    @property
    def parents(self) -> Parents:
        """The parents, their classes in A's order."""
        return self.alignment.parents

    @property
    def heads(self) -> JointHead | None:
        """The joint head, where the parents' label sets differ."""
        return self.alignment.heads

    @property
    def takes_images(self) -> bool:
        """Whether synthetic images can be generated for the models."""
        return can_be_shown(self.parents.a.model, self.parents.a.processor)

    @property
    def validation(self) -> Batches | None:
        """The rows that things are chosen on; None without data, or where rows have no loss."""
        if self.splits is None:
            return None
        first, name = self.models[0], self.splits.reading.measure
        has_loss = measure_on(first.config, first.source.ref, name).words.has_loss
        return self.splits.validation if has_loss else None

    def selection_rows(self, *, halved: bool) -> InputBatches:
        """The validation rows that a fusion may choose on: half, where others are compared on."""
        if self.validation is None:
            return NoBatches()
        return split_validation(self.validation)[0] if halved else self.validation

    @property
    def match_rows(self) -> MatchRows:
        """What matchers may look at."""
        if self.splits is None:
            return MatchRows()
        return MatchRows(batches=self.splits.learning, validation=self.splits.watched)


def load(run: Run) -> MergeInputs:
    """Everything a merge works on. Called by all processes alike.

    Raises: WeightsError, FamilyError, SpecError, LabelError, LawError, DataError; RecipeError, if
    there are no rows of the kind that the methods look at.
    """
    outlined = outlines(run)
    loaded = outlined or [load_source(source, run) for source in run.sources.all_models]
    models, base = loaded[: len(run.sources.models)], [*loaded, None][len(run.sources.models)]
    heads = joint_head(run, models)
    reads_values = run.methods.needs_spec or run.sources.dataset is not None
    alignment = prepare_parents(
        models,
        base,
        labels=run.recipe.align_labels,
        matched=run.methods.needs_spec,
        symmetry=run.recipe.symmetry,
        heads=heads,
        states=states_on_disk(loaded) if outlined and reads_values else None,
    )
    run.methods.subset.of_model(models[0].model).check(alignment.parents.states[0])
    splits = open_data_splits(run, models, heads, refined=True)
    if outlined:
        return MergeInputs(
            models=tuple(models),
            alignment=alignment,
            splits=splits,
            statistics=NoBatches(),
            streamed=True,
        )
    if run.recipe.survey and splits is not None:
        check_validation_rows(splits)
    inputs = merge_inputs(models, alignment, splits, run.methods, run.recipe.seed)
    check_rows(run.methods, run.recipe.refine, inputs)
    return inputs


def load_parents(run: Run) -> list[LoadedModel]:
    """The parents of a recipe that merges nothing; dequantised, where it asks for that.

    Called by all processes alike. Raises: as `load_source` and `prepared`.
    """
    with prepared(run) if run.recipe.dequantize else nullcontext(run) as ready:
        return [load_source(source, ready) for source in ready.sources.models]


def load_source(source: Source, run: Run) -> LoadedModel:
    """Fetched by the main process, then loaded by every one.

    Raises: RecipeError, for one that is no model as it is stored, and was not prepared.
    """
    if not source.is_whole:
        raise RecipeError(
            f"{source.ref} is no model as it is stored",
            hint="adapters and parts of the layers are for merging and its plan",
            field="models",
        )
    trust = run.recipe.trust_remote_code
    run.workers.on_main(lambda: fetch(source, code=trust))
    return load_model(source, trust_remote_code=trust)


def joint_head(run: Run, models: Sequence[LoadedModel]) -> JointHead | None:
    """The joint head for parents with different label sets; None where they are the same.

    Raises: as `common_head`; RecipeError, if the matcher cannot work on them.
    """
    heads = common_head(run.recipe.heads, models)
    method = run.methods.match
    if heads is not None and method in learners():
        raise RecipeError(
            f"{option('match', method)} learns from the outputs of a model between the parents",
            found="parents with other labels than each other, whose outputs no one model can match",
            hint=option("match", "activations-weights", "auto"),
            field="match",
        )
    return heads


def merge_inputs(
    models: Sequence[LoadedModel],
    alignment: AlignmentInputs,
    splits: DataSplits | None,
    methods: Methods,
    seed: int,
) -> MergeInputs:
    """The inputs of a merge of `models`, with the rows that its methods look at."""
    a = alignment.parents.a
    statistics: InputBatches = NoBatches()
    if splits is not None and splits.calibration.rows:
        statistics = splits.labelled_calibration if methods.fusion_trains else splits.calibration
    elif can_be_shown(a.model, a.processor):
        statistics = synthetic_batches(a.model, a.processor, seed=seed)
    return MergeInputs(
        models=tuple(models), alignment=alignment, splits=splits, statistics=statistics
    )


def check_rows(methods: Methods, refine: str, inputs: MergeInputs) -> None:
    """Raises: RecipeError, if there are no rows of the kind that fusion or refinement looks at.

    refine: as the recipe names it.
    """
    validation: InputBatches = inputs.validation or NoBatches()
    check_fusion_rows(methods.fusion, inputs.statistics, validation)
    if refine in (AUTO, NO_REFINEMENT) or inputs.splits is None:
        return
    splits = inputs.splits
    for rows, what in ((splits.calibration, "calibration"), (splits.validation, "validation")):
        if not rows.rows:
            raise RecipeError(
                f"{option('refine', refine)} needs {what} rows",
                found="none are left for it",
                hint=f"ask for fewer rows by {option('samples')}, or {leave_out('refine')}",
                field="refine",
            )


def check_validation_rows(splits: DataSplits) -> None:
    """Raises: RecipeError, if there are no validation rows to choose on."""
    if not splits.validation.rows:
        raise RecipeError(
            "what is chosen is chosen on validation rows",
            found="none are left for it",
            hint=f"ask for fewer rows by {option('samples')}",
            field="samples",
        )
