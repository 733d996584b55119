"""Polygonal chains."""

from __future__ import annotations

from hubmerge.landscape.curves.registry import curve
from hubmerge.landscape.geometry.chain import Chain, hats, straight
from hubmerge.landscape.path_trainer import PathTrainer
from hubmerge.symmetry.permutation import State


@curve(source="arXiv:1802.10026, section 3.2", bends=1)
def polygon(first: State, last: State, bends: int, teacher: PathTrainer) -> Chain:
    """Straight pieces whose bends are trained at random points along them.

    Every piece takes as much of the way as any other. It begins as the straight line.
    """
    return teacher.anywhere(Chain(straight(first, last, bends), hats))
