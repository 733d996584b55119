"""LiNeS: the deeper a layer, the more of what the tasks have changed in it is kept."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from hubmerge.fuse.correction import Corrected, correction
from hubmerge.fuse.options import Says


@correction(source="arXiv:2410.17146, section 5")
def lines(
    merged: Corrected,
    *,
    lines: Annotated[
        float, Says("scale with depth (LiNeS): the share of all changes that the last layer gains")
    ] = 0.0,
) -> Tensor:
    """Changes scaled from the first layer to the last, linearly.

    After task arithmetic on n models the coefficient of the summed task vectors is 1/n in the first
    layer and outside the layers, and 1/n + lines in the last one, as in the paper, which tunes it
    between .1 and 1. Another fusion's change is scaled by the same factors, 1 to 1 + n lines.
    """
    return merged.change * (1 + len(merged.deltas) * lines * merged.place)
