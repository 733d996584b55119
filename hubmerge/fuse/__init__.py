"""Combining aligned models into one."""

from hubmerge.fuse.methods import average as _average  # noqa: F401  (first: it wins ties)
from hubmerge.fuse.methods import (  # noqa: F401  (importing registers them)
    breadcrumbs,
    dare,
    dare_ties,
    ema,
    fisher,
    greedy_soup,
    hierarchical,
    lawa,
    learned_soup,
    least_squares,
    model_stock,
    regmean,
    slerp,
    swa,
    swad,
    swag,
    task_arithmetic,
    ties,
    twa,
)
from hubmerge.fuse.registry import Fusion, Given, find_fusion, fusions
from hubmerge.fuse.result import Fused, SoupRecord, Step

__all__ = ["Fused", "Fusion", "Given", "SoupRecord", "Step", "find_fusion", "fusions"]
