"""What was measured on the same rows: parents, naive average, merge, ensemble."""

from __future__ import annotations

from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from hubmerge.evaluation.results import Estimate, Score
from hubmerge.reporting.schema.base import Count, ReportPart, is_finite
from hubmerge.utils.parent_names import REFINED_PARENT, roles


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
