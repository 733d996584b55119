"""What a plan says: the parents, the data set, what will be measured, and what it needs."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from hubmerge.hub.card import DataCard
from hubmerge.hub.licence import LicenceDecision
from hubmerge.hub.target import Target
from hubmerge.planning.resources import Needs
from hubmerge.reporting.schema.effort import EffortRecord
from hubmerge.utils.shown import Shown


class PlanPart(BaseModel):
    """Base: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelPlan(PlanPart):
    """One parent."""

    ref: str
    id: str
    kind: Literal["hub", "local", "memory", "stage"]
    sha: str
    licenses: list[str]
    gated: bool
    private: bool
    weight_bytes: int
    download_bytes: int
    dtype: str
    parameters: int
    papers: list[str] = []
    """arXiv numbers that its card links to."""
    collections: list[str] = []
    """Collections of the Hub that its card links to."""


class ArchitecturePlan(PlanPart):
    """What all parents are."""

    architecture: str
    model_type: str
    labels: list[str]
    """In A's order, which is the result's."""
    labels_moved: int | list[int]
    """How many of B's classifier rows change places; of more parents, of each after A."""
    known: list[int] | None = None
    """How many of the labels each parent knows, where their label sets differ."""
    processor: dict[str, Any]
    family: str | None
    """None if no spec is asked for and none describes the model."""
    spec: str | None = None
    """How the spec was certified, where it was derived; None for a reviewed one."""
    free_spaces: dict[str, int]


class DataPlan(PlanPart):
    """The data set, as far as its card and file list show."""

    ref: str
    id: str
    sha: str
    bytes: int
    download_bytes: int
    card: DataCard


class Measurement(PlanPart):
    """One thing that will be measured, and on which rows."""

    what: str
    rows: str


class Plan(Shown, PlanPart):
    """What a merge would do."""

    text_by: ClassVar[str] = "hubmerge.planning.text:render_plan"

    models: list[ModelPlan]
    base: ModelPlan | None = None
    """The model they were all made from, where the fusion takes it."""
    both: ArchitecturePlan
    data: DataPlan | None
    offered: dict[str, list[int]] = {}
    """Where no data set was given: those that parents' cards name -> numbers of these parents."""
    effort: EffortRecord
    """What the effort stands for, and what is left out of it."""
    measurements: list[Measurement]
    dtype: str
    """Of the result."""
    licence: LicenceDecision
    private: bool
    """Whether what is pushed will be private."""
    target: Target
    needs: Needs
    remarks: list[str] = []
    """What a reader must know of the files beside the parents."""

    def _summary(self) -> str:
        models = " and ".join(model.id for model in self.models)
        return f"{models}, {self.both.architecture}, result in {self.dtype}"
