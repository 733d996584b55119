"""Refining a network on unlabelled rows after it was fused."""

from hubmerge.refine.distill import RATE, ROWS, distill, lessons
from hubmerge.refine.result import Judged, Refined, Refinement

__all__ = ["RATE", "ROWS", "Judged", "Refined", "Refinement", "distill", "lessons"]
