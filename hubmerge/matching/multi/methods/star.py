"""Every model matched to the first, and to nothing else."""

from __future__ import annotations

from hubmerge.matching.multi.registry import MultiMatchProblem, multi_matcher
from hubmerge.matching.result import Match


@multi_matcher(source="arXiv:2209.04836, section 3, model by model")
def star(problem: MultiMatchProblem) -> list[Match]:
    """Matches each model to the first; the others are aligned only through it."""
    return [problem.match(0, q) for q in range(1, len(problem.states))]
