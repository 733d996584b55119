"""Bringing three models and more together: one match for every model after the first."""

from hubmerge.matching.many import merge_many, star, universe  # noqa: F401  (importing registers)
from hubmerge.matching.many.registry import Gathering, Together, find_together, ways_together
from hubmerge.matching.many.towards import between

__all__ = ["Gathering", "Together", "between", "find_together", "ways_together"]
