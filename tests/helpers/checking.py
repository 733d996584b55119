"""What `hubmerge verify --json` found, and ways to cheat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hubmerge.errors import VerificationError
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.write import write_report
from tests.helpers.command_line import Done


def ended(done: Done, outcome: str) -> set[tuple[str, str]]:
    """(part, what) of every check that ended so."""
    return {(c["part"], c["what"]) for c in done.json["checks"] if c["outcome"] == outcome}


def wrong(done: Done) -> set[tuple[str, str]]:
    """What does not hold, of a verification that failed for it."""
    done.refused(VerificationError, "is not what its report says")
    assert done.json["outcome"] == "does not hold"
    return ended(done, "does not hold")


def set_figure(folder: Path, *path: Any, to: Any, card: bool = True) -> None:
    """Another value in report.json; in the card as well, as a careful cheat does it."""
    content = json.loads((folder / "report.json").read_text())
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    report = Report.model_validate_json(json.dumps(content))
    if card:
        write_report(report, folder)
    else:
        (folder / "report.json").write_text(report.to_json())


def replace(file: Path, old: str, new: str) -> None:
    """Another text in a file that holds it."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
