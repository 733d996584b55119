"""How far a step goes: up to the full rate, at it while that helps, then down to nothing.

A constant rate that falls at the end reaches what a cosine over the same steps does, and its length
need not be known before (arXiv:2405.18392, section 3): a course that gets no better by noisy steps
becomes better by ever smaller ones, and is over a half later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

WARM = 10
"""Steps over which the rate rises to its full size."""


@dataclass(frozen=True)
class LRSchedule:
    """The rate is full until step `fall`, and nothing at step `end`.

    power: of the form of its fall, 1 for a straight line.
    """

    fall: int
    end: int
    power: float = 0.5

    @classmethod
    def over(cls, steps: int) -> LRSchedule:
        """A course of at most `steps`, the last third of them with a falling rate."""
        return cls(steps - steps // 3, steps)

    @classmethod
    def straight(cls, steps: int) -> LRSchedule:
        """A course of exactly `steps`, the rate falling in a straight line from the first on."""
        return cls(0, steps, power=1.0)

    def falling(self, step: int) -> LRSchedule:
        """The same, if the rate falls from `step` on: half as many steps as were taken follow."""
        return self if step >= self.fall else replace(self, fall=step, end=step + step // 2)

    def rate(self, step: int) -> float:
        """Share of the full rate: 1 - sqrt, or another power, of the share of the fall."""
        rising = min(1.0, (step + 1) / WARM)
        done = max(0, step - self.fall) / max(1, self.end - self.fall)
        return rising * (1 - done**self.power)
