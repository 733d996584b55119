"""Bringing three models and more together: one match for every model after the first."""

from hubmerge.matching.multi.registry import (
    MultiMatcher,
    MultiMatchProblem,
    find_multi_matcher,
    multi_matchers,
)
from hubmerge.matching.multi.to_anchor import between

__all__ = [
    "MultiMatchProblem",
    "MultiMatcher",
    "between",
    "find_multi_matcher",
    "multi_matchers",
]
