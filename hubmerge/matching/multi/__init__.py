"""Bringing three models and more together: one match for every model after the first."""

from hubmerge.matching.multi.methods import (  # noqa: F401  (importing registers them)
    cycle_consistent,
    merge_many,
    star,
)
from hubmerge.matching.multi.registry import Gathering, Together, find_together, ways_together
from hubmerge.matching.multi.to_anchor import between

__all__ = ["Gathering", "Together", "between", "find_together", "ways_together"]
