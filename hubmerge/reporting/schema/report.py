"""The report: one typed object, and the same thing as `report.json`.

A figure that was not measured is null, never 0; every number is finite. Two runs of one recipe
give the same report but for the block `run`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, ValidationError, model_validator

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.evaluation.harness.results import Benchmark
from hubmerge.evaluation.results import Comparison
from hubmerge.reporting.schema.barriers import Barriers
from hubmerge.reporting.schema.base import Count, ReportPart, RowSetRecord, is_finite
from hubmerge.reporting.schema.contenders import Contenders
from hubmerge.reporting.schema.heads import HeadsRecord
from hubmerge.reporting.schema.merged import MergedRecord
from hubmerge.reporting.schema.method import MethodRecord, StageRecord
from hubmerge.reporting.schema.parents import ParentRecord
from hubmerge.reporting.schema.surveys import Surveys
from hubmerge.utils.parent_names import MOST
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
