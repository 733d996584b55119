"""The report as files: `report.json`, the card, the pictures, and results for the Hub."""

from __future__ import annotations

from pathlib import Path

from hubmerge.reporting.benchmarks import eval_result_files
from hubmerge.reporting.card import render_card
from hubmerge.reporting.pictures import pictures
from hubmerge.reporting.schema.report import Report


def write_report(report: Report, folder: Path, repo_id: str | None = None) -> list[Path]:
    """Write the report into `folder`, which exists; returns the files.

    `repo_id` is where the merge will be published. Without curves there is no plot.
    """
    contents = {
        "report.json": report.to_json().encode(),
        "README.md": render_card(report, repo_id).encode(),
        **pictures(report),
        **eval_result_files(report),
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]
