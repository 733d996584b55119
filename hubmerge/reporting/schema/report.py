"""The report: one typed object, and the same thing as `report.json`.

A figure that was not measured is null, never 0; every number is finite. Two runs of one recipe
give the same report but for the block `run`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.evaluation.harness.results import Benchmark
from hubmerge.evaluation.results import Comparison, Estimate, Score
from hubmerge.reporting.schema.barriers import Barriers
from hubmerge.reporting.schema.base import Count, ReportPart, RowSetRecord, is_finite
from hubmerge.reporting.schema.effort import EffortRecord
from hubmerge.reporting.schema.fusion import FUSED, FusionTried, SoupRecord
from hubmerge.reporting.schema.heads import HeadsRecord
from hubmerge.reporting.schema.plugins import UsedPlugin
from hubmerge.reporting.schema.refinement import RefinementRecord
from hubmerge.reporting.schema.surveys import Surveys
from hubmerge.reporting.schema.vocabulary import VocabularyRecord
from hubmerge.utils.parent_names import MOST, REFINED_PARENT, roles
from hubmerge.utils.shown import Shown
from hubmerge.utils.untrusted import read_text, said_once

SCHEMA_VERSION: Literal[1] = 1
MOST_BYTES = 16 << 20
"""Bytes of a report at most; one of a thousand labels and three surveys has one megabyte."""

VerdictName = Literal[
    "better than both parents",
    "better than all parents",
    "as good",
    "worse",
    "cannot tell",
    "not judged",
    "do not use",
]
PaperNumber = Annotated[str, Field(pattern=r"^\d{4}\.\d{4,5}$")]
CollectionSlug = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_-]{1,150}-[0-9a-f]{24}$")
]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]


class AdapterRecord(ReportPart):
    """An adapter that was added to a model before it was merged."""

    id: str
    sha: str
    revision: str | None
    kind: Literal["hub", "local", "memory"]


class ParentRecord(ReportPart):
    """One of the models that went in; of kind "stage" what an earlier stage made."""

    OF_MANY = ("adapters", "collections", "layers", "papers", "quantised")

    id: str
    """Repository id, or folder name of a local model; the name of a stage."""
    sha: str
    """The commit; "local-" and a hash of what was loaded for a folder; "" for a stage."""
    revision: str | None
    """The revision as asked for, if one was."""
    kind: Literal["hub", "local", "memory", "stage"]
    license: str | list[str] | None
    dtype: str
    parameters: Count
    papers: list[PaperNumber] | None = None
    """arXiv numbers of papers that its card links to."""
    collections: list[CollectionSlug] | None = None
    """Collections of the Hub, as OWNER/SLUG, that its card links to."""
    adapters: list[AdapterRecord] | None = None
    """What was added to it, in this order."""
    layers: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    """Number of the first of its layers that was taken, and of the first that was not; None where
    all were."""
    quantised: str | None = None
    """How its weights are stored, where they were dequantised for the merge: "fp8"."""

    @property
    def name(self) -> str:
        """What it is called, with its adapters and layers: "base+adapter[0:8]"."""
        part = "" if self.layers is None else f"[{self.layers[0]}:{self.layers[1]}]"
        return "+".join((self.id, *(each.id for each in self.adapters or ()))) + part


class TensorRecord(ReportPart):
    """What became of every tensor; none is left out.

    Names that differ in one number are one: "h.{0-11}.mlp.weight".
    """

    count: Count
    """How many there are."""
    merged: list[str]
    """Made of the parents'."""
    kept: list[str]
    """Parent A's, as they are: whole numbers, what was not to be merged, and what is stored beside
    the model's own."""
    rebuilt: list[str]
    """Made by the class when it is loaded: other names of a tied tensor, and tables that it
    computes."""


class MergedRecord(ReportPart):
    """The model that came out, as it was reloaded from disk."""

    OF_MANY = ("measure", "library", "tensors", "vocabulary")

    model_type: str
    architecture: Identifier
    task: str | None
    """The registered task that accepts it; None where nothing measures such a model."""
    measure: str | None = None
    """What its outputs mean, where its task knows several things: "classes", "label sets",
    "numbers"."""
    auto_class: Identifier | None
    """The auto class of transformers that loads it, such as "AutoModelForImageClassification"; None
    if there is none, so that the architecture itself does."""
    auto_processor: Identifier | None
    """The transformers class that loads its processor; None if it has none."""
    pipeline_tag: str | None
    """None where neither a task nor transformers says one."""
    library: str | None = None
    """What else than transformers it is made for: "sentence-transformers"."""
    dtype: str
    parameters: Count
    labels: list[str]
    """Label names in the order of the outputs."""
    tensors: TensorRecord | None = None
    """What became of each; None in reports of earlier versions."""
    vocabulary: VocabularyRecord | None = None
    """Whose tokens it has; None where all parents have the same."""


class Contender(ReportPart):
    """A contender on the evaluation rows; all null if it was not measured."""

    OF_MANY = ("scores", "accuracy_low", "accuracy_high")

    loss: float | None = None
    accuracy: float | None = None
    """The task's main score, named in the card's table: the share that is right, or what the task
    has instead."""
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    """Its interval, where rows have no loss."""
    calibration_error: float | None = None
    temperature: float | None = None
    calibrated_loss: float | None = None
    scores: dict[str, Estimate] | None = None
    """Further scores of the task."""
    n: Count = 0

    @model_validator(mode="before")
    @classmethod
    def _from_score(cls, given: Any) -> Any:
        """Take a `Score`; a figure in it that is not finite was not measured."""
        if not isinstance(given, Score):
            return given
        figures = given.model_dump()
        figures["scores"] = figures["scores"] or None
        return {name: figure if is_finite(figure) else None for name, figure in figures.items()}


class Contenders(ReportPart):
    """Everything that was measured on the same rows; further parents are `parent_c`, ..."""

    OF_MANY = (REFINED_PARENT,)

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Contender] = Field(init=False)

    parent_a: Contender = Contender()
    parent_b: Contender = Contender()
    naive: Contender = Contender()
    """The average without matching, with the same repair."""
    merge: Contender = Contender()
    ensemble: Contender = Contender()
    """The mean of all parents' probabilities."""
    refined_parent: Contender | None = None
    """The better parent, refined by the same means as the merge, where that was."""

    @model_validator(mode="after")
    def _no_others(self) -> Self:
        further = list(self.__pydantic_extra__)
        if further != roles("parent", 2 + len(further))[2:]:
            raise ValueError(f"contenders that are no further parents: {', '.join(further)}")
        return self

    @property
    def parents(self) -> list[Contender]:
        """Parent A, parent B, and any others."""
        return [self.parent_a, self.parent_b, *self.__pydantic_extra__.values()]


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


class DataRecord(ReportPart):
    """What was measured on."""

    id: str
    sha: str
    revision: str | None
    kind: Literal["hub", "local", "memory"]
    config: str | None
    unit: str
    """What a row is, in the plural: "images"."""
    columns: dict[str, str]
    """Role (such as "input", "label") -> column."""
    calibration: RowSetRecord | None
    """Statistics and activations; never reported on."""
    validation: RowSetRecord | None
    """Everything that is chosen: lambda, temperature."""
    evaluation: RowSetRecord
    """Reported, never used for anything else."""
    notes: list[str]


class Licence(ReportPart):
    """The licence of the merge by the written policy."""

    license: str | list[str]
    license_name: str | None = None
    license_link: str | None = None
    private_by_default: bool
    public_needs_override: bool
    """Publishing openly takes an explicit decision of the user's."""
    reason: str


class PublishedRecord(ReportPart):
    """Where the merge went."""

    id: str
    url: str
    sha: str | None = None
    private: bool
    revision: str | None = None
    pull_request: str | None = None


class RunRecord(ReportPart):
    """What may differ between two runs of one recipe. Nothing else in a report may."""

    OF_MANY = ("processor", "trials")

    date: str
    """UTC, ISO 8601."""
    seconds: dict[str, float]
    """Stage -> wall time."""
    trials: dict[str, float] | None = None
    """What was tried, by its name -> wall time of making it."""
    versions: dict[str, str]
    arithmetic: int
    """Version of the arithmetic; merges of another one are not made again to the same bytes."""
    processes: int
    threads_per_process: int
    intra_op_threads: int
    device: str
    processor: str | None = None
    """The kind of processor that computed it, whose rounding a refined merge depends on."""


class SampleText(ReportPart):
    """What contenders write after a prompt. It is a sample, and nothing is concluded of it."""

    prompt: str
    texts: dict[str, str]
    """Contender, such as "parent_a" -> its continuation."""


class Report(Shown, ReportPart):
    """Everything a merge can say for itself."""

    text_by: ClassVar[str] = "hubmerge.reporting.text:render_text"
    html_by: ClassVar[str | None] = "hubmerge.reporting.notebook:report_html"
    OF_MANY = ("base", "stages", "heads", "surveys", "benchmarks", "samples")

    schema_version: Literal[1] = SCHEMA_VERSION
    verdict: VerdictName
    verdict_sentence: str
    n: Count
    """Evaluation rows the verdict rests on; 0 if nothing was measured."""
    models: Annotated[list[ParentRecord], Field(min_length=2, max_length=MOST)]
    """Parent A, parent B, and any others."""
    base: ParentRecord | None = None
    """The model the parents were made from, where the fusion takes it."""
    stages: list[StageRecord] | None = None
    """What was made before the merge itself, in that order; None where nothing was."""
    merged: MergedRecord
    heads: HeadsRecord | None = None
    """How the heads were combined, where the parents' label sets differ."""
    contenders: Contenders
    comparisons: list[Comparison]
    barrier: Barriers
    surveys: Surveys | None = None
    """What was seen around the merge, where that was asked for."""
    benchmarks: list[Benchmark] | None = None
    """Benchmarks of the harness, where they were asked for."""
    samples: list[SampleText] | None = None
    """What parents and merge write; of language models that were measured."""
    method: MethodRecord
    data: DataRecord | None
    limits: list[str]
    licence: Licence
    weights_sha256: dict[str, str]
    """File -> sha256, of every weights file written."""
    run: RunRecord
    published: PublishedRecord | None = None

    @model_validator(mode="after")
    def _a_contender_of_every_parent(self) -> Self:
        measured = len(self.contenders.parents)
        if self.data is not None and measured != len(self.models):
            raise ValueError(f"contenders of {measured} parents, and {len(self.models)} models")
        return self

    @model_validator(mode="after")
    def _every_number_is_finite(self) -> Self:
        if not is_finite(self.model_dump()):
            raise ValueError("a report holds finite numbers only; what was not measured is None")
        return self

    def to_json(self) -> str:
        """The text of `report.json`: keys sorted, numbers in full, one newline at the end."""
        content = self.model_dump(mode="json")
        return (
            json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
            + "\n"
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The report in `folder`. Raises NotFoundError, or RecipeError if it cannot be read."""
        path = folder / "report.json"
        try:
            text = read_text(path, MOST_BYTES)
            report = cls.model_validate_json(text)
            json.loads(text, object_pairs_hook=said_once)
            return report
        except (FileNotFoundError, NotADirectoryError):
            known = folder.is_dir()
            raise NotFoundError(
                f"no report in {folder}" if known else f"there is no folder {str(folder)!r}",
                found=f"there is no {path.name}" if known else None,
                hint="give a folder that a merge was written to",
            ) from None
        except (ValidationError, ValueError) as error:
            raise RecipeError(
                f"{path} is not a report this version can read",
                found=_first_problem(error),
                hint=f"this version reads schema_version {SCHEMA_VERSION}; merge again, or use "
                "the version of hubmerge named in its block `run`",
            ) from error


def _first_problem(error: ValidationError | ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
