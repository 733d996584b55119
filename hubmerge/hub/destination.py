"""Where a result goes, which changes nothing about what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubmerge.utils.checked_calls import checked


@checked
@dataclass(frozen=True)
class Destination:
    """Where the result goes. None of this changes what it is.

    out: folder to write; None is "<name of A>-<name of B>-merged" here.
    push: repository to publish to; private: None leaves it to the licence policy.
    """

    out: Path | None = None
    push: str | None = None
    private: bool | None = None
    create_pr: bool = False
    revision: str | None = None
    exist_ok: bool = False
