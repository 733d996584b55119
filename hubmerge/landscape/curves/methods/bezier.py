"""Bezier curves of any degree."""

from __future__ import annotations

from hubmerge.landscape.curves.registry import curve
from hubmerge.landscape.geometry.chain import Chain, bernstein, straight
from hubmerge.landscape.path_trainer import PathTrainer
from hubmerge.symmetry.permutation import State


@curve(source="arXiv:1802.10026, section 3.2", bends=1)
def bezier(first: State, last: State, bends: int, teacher: PathTrainer) -> Chain:
    """A Bezier curve whose control points are trained at random points along it.

    One bend makes it quadratic, as in the paper. It begins as the straight line.
    """
    return teacher.anywhere(Chain(straight(first, last, bends), bernstein))
