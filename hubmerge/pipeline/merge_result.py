"""What a merge leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubmerge.hub.publish import Published
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.text import render_text
from hubmerge.utils.shown import Shown


@dataclass(frozen=True, repr=False)
class MergeResult(Shown):
    """What a merge leaves: the folder, its report, and what was published on the Hub."""

    folder: Path
    report: Report
    published: Published | None
    text_by = "hubmerge.pipeline.merge_result:result_text"

    def _summary(self) -> str:
        return f"{self.report.verdict_sentence} In {str(self.folder)!r}"


def result_text(result: MergeResult) -> str:
    """The report, and where the files lie."""
    return render_text(result.report, result.folder)
