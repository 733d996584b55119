"""What each effort stands for: what is tried and how much is learned, where no option names it.

This is the whole table. A recipe's effort and its data decide which row is taken, and never how
fast the machine is. What an option names replaces that part of the row, and what results is
written beside the merge as `trials`, so that another version with another table makes it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from hubmerge.recipe.part import RecipePart
from hubmerge.recipe.words import AUTO, MIDDLE, NO_REFINEMENT, WITH_BASE

EffortName = Literal["quick", "standard", "best"]
QUICK: Final = "quick"
STANDARD: Final = "standard"
BEST: Final = "best"

LEARNED = "learned"
"""The matcher that effort best tries beside others."""
EVERY = "auto"
"""Stands for every fusion that the inputs allow."""
DISTILL: Final = "distill"


class Trials(RecipePart):
    """What a merge tries, each kept only where validation rows say so.

    match: matchers that are compared, those that the models and rows allow. fuse: fusions that are
    compared. refine: how what was fused is trained further. refine_steps, refine_samples: steps and
    rows of that, at most. refine_parameters: the largest model that it is for, if it was not named.
    lambda: the weight of model B, or "auto" where it is chosen.
    """

    noun: ClassVar[str] = "what an effort stands for"
    example: ClassVar[str] = 'match=("weights",), fuse=("average",), ...'

    match: tuple[str, ...]
    fuse: tuple[str, ...]
    refine: Literal["none", "distill"] = NO_REFINEMENT
    refine_steps: Annotated[int, Field(ge=0)] = 0
    refine_samples: Annotated[int, Field(ge=0)] = 0
    refine_parameters: Annotated[int, Field(ge=0)] = 0
    lam: Annotated[
        Annotated[float, Field(ge=0, le=1)] | Literal["auto"] | None, Field(alias="lambda")
    ] = MIDDLE

    def stated(self) -> dict[str, Any]:
        """All of it, by name in YAML; nothing of a refinement where there is none."""
        content = self.model_dump(mode="json", by_alias=True)
        if self.refine == NO_REFINEMENT:
            content = {n: v for n, v in content.items() if not n.startswith("refine_")}
        return (
            content if self.lam is not None else {n: v for n, v in content.items() if n != "lambda"}
        )


@dataclass(frozen=True, kw_only=True)
class Effort:
    """A row of the table: of merges with data. based: the fusions of models with a common base."""

    match: tuple[str, ...]
    fuse: tuple[str, ...]
    based: tuple[str, ...]
    refine: Literal["none", "distill"] = NO_REFINEMENT
    refine_steps: int = 0
    refine_samples: int = 0
    refine_parameters: int = 0
    lam: float | Literal["auto"] = MIDDLE


_BY_ROWS = ("activations-weights", "activations")

EFFORTS: Mapping[EffortName, Effort] = {
    QUICK: Effort(match=_BY_ROWS, fuse=("average",), based=(WITH_BASE,)),
    STANDARD: Effort(
        match=_BY_ROWS,
        fuse=("average", "least-squares", "late-least-squares"),
        based=(WITH_BASE, "task-arithmetic", "average", "tsv-m", "wudi"),
        refine=DISTILL,
        refine_steps=300,
        refine_samples=2_000,
        refine_parameters=50_000_000,
    ),
    BEST: Effort(
        match=(*_BY_ROWS, LEARNED),
        fuse=(EVERY,),
        based=(EVERY,),
        refine=DISTILL,
        refine_steps=2_000,
        refine_samples=50_000,
        refine_parameters=500_000_000,
        lam=AUTO,
    ),
}

WITHOUT_DATA = ("synthetic", "weights")
"""Matchers where no rows are given: the first that the models allow, whatever the effort."""
