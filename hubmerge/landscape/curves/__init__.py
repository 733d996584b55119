"""Curves between two models."""

from hubmerge.landscape.curves.methods import band as _band  # noqa: F401  (importing registers each)
from hubmerge.landscape.curves.methods import bezier as _bezier  # noqa: F401
from hubmerge.landscape.curves.methods import line as _line  # noqa: F401
from hubmerge.landscape.curves.methods import polygon as _polygon  # noqa: F401
from hubmerge.landscape.curves.registry import CurveKind, curves, find_curve

__all__ = ["CurveKind", "curves", "find_curve"]
