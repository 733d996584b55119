"""What the steps of a merge found, by step: all that its report is built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from hubmerge.evaluation.harness.results import Benchmark
from hubmerge.evaluation.results import Curve
from hubmerge.fuse.laws import ENDS
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.pipeline.align import Alignment
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.evaluate import Evaluation
from hubmerge.pipeline.fuse import FusedModel
from hubmerge.pipeline.load import MergeInputs
from hubmerge.pipeline.save import Saved
from hubmerge.pipeline.survey import SurveyResults
from hubmerge.planning.plan import Plan
from hubmerge.reporting.schema.report import Report, SampleText


@dataclass(frozen=True, kw_only=True)
class RunResults:
    """The result of every step. saved: the merge as reloaded from disk. stages: the reports of
    those that were made before it, by name."""

    run: Run
    plan: Plan
    inputs: MergeInputs
    alignment: Alignment
    fused: FusedModel
    saved: Saved
    evaluation: Evaluation | None
    surveys: SurveyResults | None
    benchmarks: tuple[Benchmark, ...] = ()
    samples: tuple[SampleText, ...] = ()
    stages: Mapping[str, Report] = field(default_factory=dict)

    @property
    def merge(self) -> LoadedModel:
        """The merge, as reloaded from disk."""
        return self.saved.model

    @property
    def unit(self) -> str:
        """The plural word for a row."""
        return "rows" if self.inputs.splits is None else self.inputs.splits.reading.unit

    @property
    def dtype(self) -> torch.dtype:
        """What most of the merge is stored in."""
        stored = (parent.dtype for parent in self.inputs.models)
        return self.run.methods.stored_as.main_dtype(stored)

    @property
    def based(self) -> bool:
        """Whether the parents have a common base."""
        return self.inputs.alignment.base is not None

    @property
    def sets_statistics(self) -> bool:
        """Whether the fusion measures statistics itself, so that nothing is repaired after it."""
        return self.fused.fusion.sets_statistics

    @property
    def is_refined(self) -> bool:
        """Whether the merge is what refining made of it."""
        refinement = self.fused.refinement
        if refinement is None:
            return False
        return refinement.merge.kept or refinement.handed_out

    @property
    def is_a_parent(self) -> bool:
        """Whether the merge is one of the parents, so that nothing in it needs repair."""
        given = self.run.recipe.mixture or [1 - self.fused.lam, self.fused.lam]
        weights = self.fused.fused.weights or (given if ENDS in self.fused.fusion.laws else ())
        return 1.0 in weights and self.run.methods.subset.whole and not self.is_refined

    @property
    def training_curves(self) -> tuple[Curve, Curve] | None:
        """The naive and the matched path on training rows, where these were asked for."""
        return self.evaluation.on_training if self.evaluation else None

    @property
    def no_calibration_rows(self) -> str | None:
        """Why there were no calibration rows; None where there were some."""
        if self.inputs.splits is None:
            return "no data was given"
        if self.inputs.splits.calibration.rows:
            return None
        return "no calibration rows were left or asked for"
