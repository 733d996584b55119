"""What a merge's report carries of surveys: what was seen of the space between its models."""

from __future__ import annotations

from hubmerge.reporting.schema.base import ReportPart, is_finite
from hubmerge.reporting.schema.survey_results import PathSeen, PlaneSeen, SimplexSeen

Seen = PathSeen | PlaneSeen | SimplexSeen


class Surveys(ReportPart):
    """Surveys of the merge's own models, aligned as for it; by name, as asked for."""

    OF_MANY = ("path", "plane", "simplex")

    path: PathSeen | None = None
    plane: PlaneSeen | None = None
    simplex: SimplexSeen | None = None

    @property
    def seen(self) -> list[Seen]:
        """Those there are, in a fixed order."""
        return [each for each in (self.path, self.plane, self.simplex) if each is not None]


def is_sound(seen: Seen) -> bool:
    """Whether every figure is a number."""
    return is_finite(seen.model_dump())
