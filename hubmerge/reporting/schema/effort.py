"""What a report says of the effort that was asked for: all that it stood for."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from hubmerge.recipe.words import NO_REFINEMENT
from hubmerge.reporting.schema.base import Count, ReportPart


class EffortRecord(ReportPart):
    """An effort written out in full, after what options named."""

    OF_MANY = ("refine_steps", "refine_samples", "left_out")

    effort: str
    match: list[str]
    """Matchers that are compared, or the one that was named."""
    fuse: list[str]
    """Fusions that are compared, or the one that was named."""
    refine: str
    refine_steps: Count | None = None
    refine_samples: Count | None = None
    """Rows that are learned from, at most."""
    lam: float | Literal["auto"] | None
    """The weight of parent B; None of more than two."""
    left_out: str | None = None
    """Why nothing is refined, where the effort would."""

    @model_validator(mode="after")
    def _steps_of_a_refinement(self) -> Self:
        if self.refine != NO_REFINEMENT and None in (self.refine_steps, self.refine_samples):
            raise ValueError("a refinement has refine_steps and refine_samples")
        return self
