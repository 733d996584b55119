"""Refining a network on unlabelled rows after it was fused."""

from hubmerge.refine.distill import RATE, distill
from hubmerge.refine.result import Judged, Refined, Refinement

__all__ = ["RATE", "Judged", "Refined", "Refinement", "distill"]
