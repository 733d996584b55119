"""What refining came to."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Refined:
    """What a network became by learning.

    state: its tensors at the best step; those of the start, to the bit, where no step was better.
    divergence_before, divergence_after: from the parents' mean prediction on validation rows, mean
    over rows, in nats, at the start and at the best step. steps: that were taken, by all courses.
    best_step: counted through them; 0 is the start. outcome: a sentence on how it ended.
    """

    state: dict[str, Tensor]
    divergence_before: float
    divergence_after: float
    steps: int
    best_step: int
    outcome: str


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A network refined, and whether that is kept.

    state: of the one that is taken. refined: what learning came to. loss_before, loss_after: of the
    start and of the refined network on labelled validation rows, in nats, calibrated where it can
    be. kept: whether the refined one is taken: it is better on validation rows. seconds: that
    learning took.
    """

    state: dict[str, Tensor]
    refined: Refined
    loss_before: float
    loss_after: float
    kept: bool
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """The merge refined, and, to be compared with, the better parent by the same means.

    steps: at most, for each. parent: number of the one that was refined; None where none was.
    handed_out: whether that one is the result, in place of the merge.
    """

    steps: int
    merge: Judged
    parent: int | None = None
    refined_parent: Judged | None = None
    handed_out: bool = False
