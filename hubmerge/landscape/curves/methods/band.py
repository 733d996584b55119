"""The nudged elastic band."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hubmerge.landscape.curves.registry import curve
from hubmerge.landscape.geometry.chain import Chain, difference, hats, inner, straight
from hubmerge.landscape.path_trainer import PathTrainer
from hubmerge.symmetry.permutation import State


@curve(source="arXiv:1803.00885, section 3.1", bends=5)
def band(first: State, last: State, bends: int, teacher: PathTrainer) -> Chain:
    """The nudged elastic band: bends descend perpendicular to the path and stay equidistant.

    Of the loss only what is at right angles to the path moves a pivot; along it, pivots are kept
    evenly apart. It begins as the straight line.
    """
    chain = Chain(straight(first, last, bends), hats)
    return teacher.at_every_bend(chain, across, spread)


def across(chain: Chain, slopes: Sequence[State], losses: Sequence[float]) -> list[State]:
    """The slope at every bend without its part along the path.

    The path's direction at a bend is that towards its neighbour of higher loss (section 3.1).
    """
    found: list[State] = []
    for number, slope in enumerate(slopes):
        before, here, after = chain.points[number : number + 3]
        lower = losses[number] >= losses[number + 2]
        along = difference(here, before) if lower else difference(after, here)
        along = {name: along[name] for name in slope}
        size = inner(along, along)
        share = inner(slope, along) / size if size else 0.0
        found.append({name: value - share * along[name] for name, value in slope.items()})
    return found


def spread(chain: Chain) -> Chain:
    """The same pieces, with the bends moved along them until all are equally long.

    What springs between pivots are for, in the limit of stiff ones.
    """
    lengths = [
        inner(step, step) ** 0.5 for step in map(difference, chain.points[1:], chain.points[:-1])
    ]
    whole = sum(lengths)
    if not whole:
        return chain
    return chain.bent(
        [_at(chain, lengths, whole * k / len(lengths)) for k in range(1, len(lengths))]
    )


def _at(chain: Chain, lengths: Sequence[float], way: float) -> dict[str, Tensor]:
    """The point so far along the pieces."""
    for number, length in enumerate(lengths):
        if way <= length or number == len(lengths) - 1:
            share = min(1.0, way / length) if length else 0.0
            pair = chain.points[number : number + 2]
            return Chain(pair, hats).state(share)
        way -= length
    raise AssertionError("a path has pieces")
