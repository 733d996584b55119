"""The straight line, which every other curve is held against."""

from __future__ import annotations

from hubmerge.landscape.curves.registry import curve
from hubmerge.landscape.geometry.chain import Chain, hats, straight
from hubmerge.landscape.path_trainer import PathTrainer
from hubmerge.symmetry.permutation import State


@curve(source="arXiv:1412.6544, section 3", bends=0)
def line(first: State, last: State, bends: int, teacher: PathTrainer) -> Chain:
    """The straight line between the models; nothing is trained."""
    return Chain(straight(first, last, bends), hats)
