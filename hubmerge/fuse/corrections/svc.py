"""SVC: singular values that several tasks have added to, brought back to what a task has."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from hubmerge.fuse._spectral import one_thread, spectrum
from hubmerge.fuse.correction import Corrected, correction
from hubmerge.fuse.options import Says

TINY = 1e-12
"""What a squared response is at least (the authors' code)."""


@correction(source="arXiv:2602.05536, section 4", spectral=True)
def svc(
    merged: Corrected,
    *,
    svc: Annotated[
        float, Says("correct singular values (SVC) down to this share of a task's; 0: no", 0)
    ] = 0.0,
) -> Tensor:
    """Each singular value of the merged task matrix divided by how often tasks are counted in it.

    Along a left singular vector u the merged matrix answers u^T M and task i answers u^T D_i; s_i
    is what the first has of the second, in parts of it. The singular value is divided by the mean
    of max(svc, s_i) over the tasks. The authors use .1. Tensors that are no matrices stay.
    """
    if merged.change.ndim != 2 or not merged.change.numel():
        return merged.change
    found = spectrum(merged.change)
    with one_thread():
        own = found.left.T @ merged.deltas.double()
        mine = found.values.unsqueeze(1) * found.right
        shares = (own * mine).sum(2) / own.square().sum(2).clamp_min(TINY)
        counted = shares.clamp_min(svc).mean(0)
        return ((found.left * (found.values / counted)) @ found.right).to(merged.change.dtype)
