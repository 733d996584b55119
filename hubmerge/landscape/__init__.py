"""What lies between models: curves, planes and simplexes through weight space."""

from hubmerge.landscape.chain import Chain
from hubmerge.landscape.curves import CurveKind, curves, find_curve

__all__ = ["Chain", "CurveKind", "curves", "find_curve"]
