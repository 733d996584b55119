"""Combining aligned models into one."""

from hubmerge.fuse import average as _average  # noqa: F401  (importing registers both)
from hubmerge.fuse import least_squares as _least_squares  # noqa: F401
from hubmerge.fuse.registry import Fusion, find_fusion, fusions

__all__ = ["Fusion", "find_fusion", "fusions"]
