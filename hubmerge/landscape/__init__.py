"""What lies between models: curves, planes and simplexes through weight space."""

from hubmerge.landscape.curves import CurveKind, curves, find_curve
from hubmerge.landscape.geometry.chain import Chain

__all__ = ["Chain", "CurveKind", "curves", "find_curve"]
