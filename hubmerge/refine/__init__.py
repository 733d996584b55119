"""Refining a network on unlabelled rows after it was fused."""

from hubmerge.refine.distill import RATES, ROWS, blends, distill, lessons
from hubmerge.refine.result import Judged, Refined, Refinement

__all__ = ["RATES", "ROWS", "Judged", "Refined", "Refinement", "blends", "distill", "lessons"]
