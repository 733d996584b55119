"""Adam on named tensors, as values: arXiv:1412.6980, Algorithm 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

FIRST, SECOND = 0.9, 0.99
"""Decay of the two moments. The second forgets faster than Algorithm 1's .999: a few hundred steps
are all there is."""
TINY = 1e-8


@dataclass(frozen=True)
class Adam:
    """Parameters and the moments of their gradients after so many steps."""

    parameters: dict[str, Tensor]
    first: dict[str, Tensor]
    second: dict[str, Tensor]
    steps: int = 0

    @classmethod
    def at(cls, parameters: Mapping[str, Tensor]) -> Adam:
        """Before the first step."""
        zero = {name: torch.zeros_like(value) for name, value in parameters.items()}
        return cls(dict(parameters), zero, dict(zero))

    def step(self, gradient: Mapping[str, Tensor], rates: Mapping[str, float]) -> Adam:
        """One step down; every number of a tensor by about its rate."""
        steps = self.steps + 1
        parameters, first, second = {}, {}, {}
        for name, value in self.parameters.items():
            slope = gradient[name]
            first[name] = FIRST * self.first[name] + (1 - FIRST) * slope
            second[name] = SECOND * self.second[name] + (1 - SECOND) * slope.square()
            mean = first[name] / (1 - FIRST**steps)
            power = second[name] / (1 - SECOND**steps)
            parameters[name] = value - rates[name] * mean / (power.sqrt() + TINY)
        return Adam(parameters, first, second, steps)
