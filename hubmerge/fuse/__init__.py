"""Combining aligned models into one."""

from hubmerge.fuse.registry import Fusion, Given, find_fusion, fusions
from hubmerge.fuse.result import Fused, SoupRecord, Step

__all__ = ["Fused", "Fusion", "Given", "SoupRecord", "Step", "find_fusion", "fusions"]
