"""Combining aligned models into one."""

from hubmerge.fuse.registry import Fusion, Given, find_fusion, fusions
from hubmerge.fuse.result import Fused, Soup, Step

__all__ = ["Fused", "Fusion", "Given", "Soup", "Step", "find_fusion", "fusions"]
