"""Curves between two models."""

from hubmerge.landscape.curves.registry import CurveKind, curves, find_curve

__all__ = ["CurveKind", "curves", "find_curve"]
