"""Whether two versions of the same tensors differ as rounding makes them differ, and no further.

Another machine takes sums in another order. What comes out is off by some units in the last place
of float32, in which merges are computed; where it is stored in 16 bits, few elements fall on the
other side of a rounding step, by that one step. The signs were not chosen. An attacker who steers a
model chooses them: along a gradient, at one size as gradient signs are, or along the weights.

All sizes are in last places: units in the last place of float32 of a tensor's largest element.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

LAST_PLACE = torch.finfo(torch.float32).eps


@dataclass(frozen=True)
class Allowance:
    """How far another machine's arithmetic moves weights, in last places."""

    most: float
    """Any element."""
    mean: float
    """All elements of a tensor on average."""


CLOSED = Allowance(most=1024, mean=96)
"""Where nothing is fitted: matched, and combined by a formula. Measured: 413 and 30."""
FITTED = Allowance(most=16384, mean=1024)
"""Where weights are learned from, fitted to or rescaled by activations: what the data hardly
excites is nearly free, and rounding decides there. Measured: 12,557 and 562. Measurements are by
benchmarks/arithmetic.py, see docs/verify.md."""

SIGMAS = 6
"""Standard deviations beyond which nothing is chance."""
STATISTICS_FROM = 4
"""Root mean square in last places below which signs steer nothing, and are not looked at."""
FLAT = 1.12
"""Root mean square over mean of sizes: 1 where all have one size, 1.15 uniform in an interval, 1.25
normal; more with tails."""
FEWEST = 64
"""Elements of a tensor that must differ for their sizes to be compared."""
LEAST_COSINE = 0.05
"""Between the difference and the weights, below which a lean is none worth the name."""


@dataclass(frozen=True)
class Difference:
    """How two versions of one tensor differ, in last places."""

    most: float
    mean: float
    over: int
    """Elements that are further off than allowed."""
    allowed: float
    """The most an element may be off."""
    mean_allowed: float

    @property
    def is_small(self) -> bool:
        """Whether it is within the allowance."""
        return self.over == 0 and self.mean <= self.mean_allowed


def difference(said: Tensor, found: Tensor, allowance: Allowance) -> Difference:
    """How `said` differs from `found`, which has the same shape and floating dtype.

    An element may be off by the allowance, and by one step of the dtype it is stored in. On average
    rounding moves no element further than the allowance, whatever the step: the larger it is, the
    fewer elements fall on its other side.
    """
    ours = found.double()
    unit = LAST_PLACE * (float(ours.abs().max()) or 1.0)
    away = (said.double() - ours).abs() / unit
    step = torch.finfo(said.dtype).eps * torch.maximum(ours.abs(), said.double().abs()) / unit
    count = max(away.numel(), 1)
    # The number of elements on the other side is a Poisson variable.
    chance = SIGMAS * math.sqrt(allowance.mean * float(step.sum())) + float(step.max())
    return Difference(
        most=float(away.max()),
        mean=float(away.mean()),
        over=int((~(away <= allowance.most + step)).sum()),
        allowed=allowance.most + float(step.max()),
        mean_allowed=allowance.mean + chance / count,
    )


@dataclass
class Lean:
    """Whether differences lean to a side, over all tensors of a model."""

    differing: int = 0
    flat: int = 0
    sums: dict[str, list[float]] = field(default_factory=dict)
    """Statistic -> sum, sum of squares of what independent pieces add to it."""
    products: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """Of the difference with the weights, with itself, of the weights with themselves, each in
    units of their tensor's own."""

    def add(self, said: Tensor, found: Tensor) -> None:
        """Takes in one tensor that differs by more than the last places."""
        ours = found.double()
        away = said.double() - ours
        unit = LAST_PLACE * (float(ours.abs().max()) or 1.0)
        size = float(away.square().mean().sqrt())
        if not size >= STATISTICS_FROM * unit:
            return
        sizes = away[away != 0].abs()
        self.differing += sizes.numel()
        if sizes.numel() >= FEWEST and _is_flat(sizes, ours, said.dtype):
            self.flat += sizes.numel()
        weights = ours / (float(ours.square().mean().sqrt()) or 1.0)
        moved = away / size
        root = math.sqrt(away.numel())
        for name, each in (("along", moved * weights), ("sign", moved.sign())):
            for side, pieces in zip(("rows", "columns"), _pieces(each / root), strict=True):
                total = self.sums.setdefault(f"{name} {side}", [0.0, 0.0])
                total[0] += float(pieces.sum())
                total[1] += float(pieces.square().sum())
        parts = ((moved * weights).sum(), moved.square().sum(), weights.square().sum())
        for place, part in enumerate(parts):
            self.products[place] += float(part) / root**2

    @property
    def reasons(self) -> list[str]:
        """What no rounding does; empty if there is nothing."""
        found = []
        if self.flat > self.differing / 2:
            found.append(
                f"{self.flat:,} of {self.differing:,} differences have one size within a tensor, "
                "as steps along the signs of a gradient have"
            )
        cosine = self.products[0] / (math.sqrt(self.products[1] * self.products[2]) or 1.0)
        if self._sigmas("along") > SIGMAS and abs(cosine) > LEAST_COSINE:
            found.append(
                f"the differences lean along the weights: cosine {cosine:+.2f}, "
                f"{self._sigmas('along'):.0f} standard deviations"
            )
        if self._sigmas("sign") > SIGMAS:
            found.append(
                "the differences lean to one sign, by "
                f"{self._sigmas('sign'):.0f} standard deviations"
            )
        return found

    def _sigmas(self, name: str) -> float:
        """Of the sum of a statistic over rows, or over columns, whichever is fewer: what rounds as
        one, such as the scale of a unit, counts once."""
        both = [self.sums.get(f"{name} {side}", [0.0, 0.0]) for side in ("rows", "columns")]
        return min(abs(total) / (math.sqrt(squares) or 1.0) for total, squares in both)


def _is_flat(sizes: Tensor, weights: Tensor, dtype: torch.dtype) -> bool:
    """Whether differences have one size; rounding steps of a dtype have, and are none."""
    largest = float(weights.abs().max())
    if float(sizes.max()) <= 2 * torch.finfo(dtype).eps * largest:
        return False
    return float(sizes.square().mean().sqrt() / sizes.mean()) < FLAT


def _pieces(values: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over rows and over columns; the elements of a vector are pieces of their own."""
    if values.ndim < 2:
        return values.flatten(), values.flatten()
    return values.flatten(1).sum(1), values.movedim(1, 0).flatten(1).sum(1)
