"""What a merge by command left behind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.command_line import Done


@dataclass(frozen=True)
class Merged:
    """What `hubmerge merge A B --dataset D --push C -o DIR --json` left."""

    family: str
    folder: Path
    repo: str
    done: Done

    @property
    def report(self) -> dict[str, Any]:
        """The content of `report.json`."""
        return json.loads((self.folder / "report.json").read_text())
