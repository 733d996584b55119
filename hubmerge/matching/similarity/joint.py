"""What was seen of two models' units at one place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Joint:
    """Moments of two models' units at one watch, float64, the anchor's first.

    covariance: [units, units]. means, deviations: [units] each; a deviation is 0 for a unit that
    never varies. own: each model's covariance with itself, [units, units] each, where a map may
    change how much the units vary. information: [units, units], where it was asked for.
    """

    covariance: Tensor
    means: tuple[Tensor, Tensor]
    deviations: tuple[Tensor, Tensor]
    own: tuple[Tensor, Tensor] | None = None
    information: Tensor | None = None

    @property
    def correlation(self) -> Tensor:
        """[units, units]; a unit that never varies correlates 0 with everything."""
        scale = torch.outer(*self.deviations)
        ratio = self.covariance / torch.where(scale > 0, scale, 1.0)
        return torch.where(scale > 0, ratio, 0.0).clamp(-1, 1)

    @property
    def product(self) -> Tensor:
        """[units, units]: mean products, about 0 instead of the means."""
        return self.covariance + torch.outer(*self.means)

    @property
    def own_products(self) -> list[Tensor]:
        """Each model's mean products with itself, [units, units], about 0; none without `own`."""
        pairs = zip(self.own or (), self.means, strict=False)
        return [own + torch.outer(mean, mean) for own, mean in pairs]
