"""How a merge was made: how it was matched, fused, repaired and refined, stage by stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hubmerge.reporting.schema.base import Count, ReportPart
from hubmerge.reporting.schema.effort import EffortRecord
from hubmerge.reporting.schema.fusion import FUSED, FusionTried, SoupRecord
from hubmerge.reporting.schema.parents import ParentRecord
from hubmerge.reporting.schema.plugins import UsedPlugin
from hubmerge.reporting.schema.refinement import RefinementRecord
from hubmerge.reporting.schema.vocabulary import VocabularyRecord
from hubmerge.utils.parent_names import MOST


class SpaceRecord(ReportPart):
    """What matching found in one free space."""

    OF_MANY = ("parent",)

    parent: str | None = None
    """Of more than two, whose space: "parent_b"."""
    space: str
    kind: str
    """The symmetry used there, such as "permute"."""
    size: Count
    """Units that may be reordered."""
    gain: float | None
    """What the matcher's objective gained over leaving the order as it was."""
    correlation: float | None
    """Mean correlation of the matched units, if activations were looked at."""
    moved: Count
    """Units that changed place."""


class Attempt(ReportPart):
    """A way of matching that was tried, and what its merge is worth on validation rows."""

    way: str
    """In words."""
    match: str
    symmetry: str
    loss: float | None
    """Mean cross-entropy in nats, after one temperature fitted on the same rows."""
    accuracy: float | None
    chosen: bool


class DerivedSpec(ReportPart):
    """A spec that hubmerge derived of the model, and certified."""

    summary: str
    deviation: float
    """How far random elements of all its symmetries moved a small model's outputs, relative."""
    movable: float
    """Share of the model's numbers in tensors that may move."""
    file: str
    """Where it lies beside the weights."""
    sha256: str


class MethodRecord(ReportPart):
    """How the merge was made."""

    OF_MANY = ("multi_match", "weights", *FUSED, "plugins", "spec", "refine", "effort")

    effort: EffortRecord | None = None
    """What was asked for, written out in full; None in reports of earlier versions."""

    family: str | None
    """The spec used; None where nothing was matched."""
    spec: DerivedSpec | None = None
    """What is known of the spec, where it was derived; None for a reviewed one."""
    match: str
    multi_match: str | None = None
    """How more than two models were matched."""
    fuse: str
    needs: str | None = None
    """Which rows the fusion looks at: data-free, label-free or labelled."""
    fuse_options: dict[str, bool | int | float | str | list[float]] | None = None
    """All options of the fusion, as they were."""
    ingredients: list[float] | None = None
    """What each parent weighs, where the fusion found that out itself."""
    soup: SoupRecord | None = None
    fusions_tried: list[FusionTried] | None = None
    """What was tried to choose the fusion; None where it was given."""
    part: str | None = None
    """What alone was merged, in words; None if everything was."""
    repair: str
    refine: RefinementRecord | None = None
    """What refining came to; None where that was not asked for."""
    lam: float | None
    """The weight of parent B (where the fusion finds its own, of the average it is compared with);
    None where there are more parents."""
    weights: list[float] | None = None
    """What each of more than two parents weighs."""
    lam_chosen: Literal["given", "on validation rows"]
    seed: int
    tried: list[Attempt] = Field(default_factory=list)
    """What was tried; empty where the matcher was given, and what it found was kept."""
    outcome: str | None
    """The matcher's last word, such as "converged"."""
    spaces: list[SpaceRecord]
    unrepaired: str | None
    """What could not be repaired and why; None if nothing was left."""
    plugins: list[UsedPlugin] | None = None
    """What of the above is no part of hubmerge; None if all is."""


class StageRecord(ReportPart):
    """A merge that was made before the last one, and is among the models of another."""

    OF_MANY = ("base", "vocabulary")

    name: str
    models: Annotated[list[ParentRecord], Field(min_length=2, max_length=MOST)]
    base: ParentRecord | None = None
    method: MethodRecord
    dtype: str
    vocabulary: VocabularyRecord | None = None
