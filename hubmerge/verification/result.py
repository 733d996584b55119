"""What a verification says: one outcome for every file, tensor and figure, and one for all."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict

from hubmerge.errors import UncheckedError, VerificationError
from hubmerge.reporting.escape import one_line
from hubmerge.utils.shown import Shown

FEW = 10
"""Checks an error names."""
WIDE = 300
"""Letters of a name that it quotes."""


class Outcome(StrEnum):
    """How what was found compares with what is said, the best first."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    """Within the tolerance for another machine's arithmetic, or a default that another version of
    transformers writes."""
    NOT_CHECKED = "not checked"
    DOES_NOT_HOLD = "does not hold"


ORDER = list(Outcome)

LevelName = Literal["load", "measure", "remake"]
"""What stock code loads; also measured again; also made again."""


class VerificationPart(BaseModel):
    """Base: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(VerificationPart):
    """One thing that was compared, or could not be."""

    part: str
    """What it belongs to, such as "weights" or "contenders"."""
    what: str
    """A file, a tensor, or the path of a figure in report.json."""
    outcome: Outcome
    said: Any = None
    """By what is published."""
    found: Any = None
    """When it was made or measured again."""
    deviation: float | None = None
    """Largest difference: of tensors in units in the last place, in float32, of their largest
    element."""
    tolerance: float | None = None
    why: str | None = None
    """The reason, where `said` and `found` do not show it."""


class Verification(Shown, VerificationPart):
    """Everything that was checked about one published merge."""

    text_by: ClassVar[str] = "hubmerge.verification.text:render_text"

    merge: str
    """As it was asked for."""
    sha: str
    """Its commit; of a folder "local-" and a hash."""
    level: LevelName
    """How far it went."""
    weights_only: bool
    checks: list[Check]
    remarks: list[str]
    """What is worth knowing and changes no outcome."""
    published_with: dict[str, str]
    remade_with: dict[str, str] | None
    """Versions of libraries, and the device; None if nothing was made again."""

    def _summary(self) -> str:
        return f"{self.merge}: {self.outcome}"

    @property
    def outcome(self) -> Outcome:
        """The worst there is."""
        return worst([check.outcome for check in self.checks])

    def of(self, outcome: Outcome) -> list[Check]:
        """The checks that ended so."""
        return [check for check in self.checks if check.outcome is outcome]

    def require(self) -> Self:
        """Itself, if everything that was asked for was checked and holds.

        Raises: VerificationError, if something does not hold; UncheckedError, if something could
        not be checked.
        """
        error = self.error
        if error is not None:
            raise error
        return self

    @property
    def error(self) -> VerificationError | UncheckedError | None:
        """What `require` raises; None if it raises nothing."""
        if wrong := self.of(Outcome.DOES_NOT_HOLD):
            return VerificationError(
                f"{self.merge} is not what its report says", found=_named(wrong), source=self.sha
            )
        if unknown := self.of(Outcome.NOT_CHECKED):
            return UncheckedError(
                f"{self.merge} could not be checked in full",
                found=_named(unknown),
                source=self.sha,
            )
        return None

    def to_json(self) -> str:
        """As a JSON object; `outcome` is that of the whole."""
        content = {"outcome": self.outcome, **json.loads(self.model_dump_json())}
        return json.dumps(content, indent=2, ensure_ascii=False)


def worst(outcomes: list[Outcome]) -> Outcome:
    """The worst of several; "identical" of none."""
    return max(outcomes, key=ORDER.index, default=Outcome.IDENTICAL)


def _named(checks: list[Check]) -> str:
    lines = [one_line(f"{check.part}: {check.what}")[:WIDE] for check in checks[:FEW]]
    more = len(checks) - FEW
    return "\n".join([*lines, f"and {more} more"] if more > 0 else lines)
