"""What the learner sees of the rows: the same images again and again, each time a little moved.

Parents know the rows they were trained on by heart, and say nothing on them but the label. On an
image mirrored and shifted they have to think again, and what they then say is what is worth
learning. On a blend of two images they differ as they do on images that they have never seen, where
a few thousand images of a training set have long been learned by heart (arXiv:2106.05237, section
3). Models that take other inputs than images see them as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from hubmerge.utils.input_batches import InputBatches

SHIFT = 8
"""An image is shifted by at most one part in so many of its side (4 of 32 pixels, as in
arXiv:1512.03385, section 4.2)."""

VIEWS = 4
"""Different views of a row; from then on they repeat, and with them what the parents say."""


@dataclass(frozen=True)
class View:
    """All rows of one batch, moved in one of `VIEWS` ways."""

    batch: int
    number: int


@dataclass(frozen=True)
class Blend:
    """Every row of a step a mixture of itself and of another one (arXiv:1710.09412).

    partners: number of the other row, [rows]. shares: its weight, from 0 to 1, [rows].
    """

    partners: Tensor
    shares: Tensor

    @classmethod
    def drawn(cls, rows: int, generator: torch.Generator) -> Blend:
        """Any other row, at any weight."""
        partners = torch.randperm(rows, generator=generator)
        return cls(partners, torch.rand(rows, generator=generator))

    def of(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mixtures of images [rows, channels, height, width]."""
        shares = self.shares.view(-1, 1, 1, 1)
        return {
            name: torch.lerp(value, value[self.partners], shares.to(value))
            for name, value in inputs.items()
        }


def inputs_of(batches: InputBatches, view: View, seed: int) -> dict[str, Tensor]:
    """The rows of a view as a model takes them: the same for the same seed."""
    generator = torch.Generator().manual_seed(mixed(seed, view.batch, view.number))
    given = batches[view.batch].inputs
    return {
        name: _moved(value, generator) if is_image(value) else value
        for name, value in given.items()
    }


def is_image(value: Tensor) -> bool:
    """Whether these are rows of [channels, height, width] with room to be shifted."""
    return value.is_floating_point() and value.ndim == 4 and min(value.shape[-2:]) >= SHIFT


def _moved(images: Tensor, generator: torch.Generator) -> Tensor:
    rows, _, height, width = images.shape
    mirrored = torch.rand(rows, generator=generator) < 0.5
    images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)
    down, right = height // SHIFT, width // SHIFT
    padded = F.pad(images, (right, right, down, down), mode="reflect")
    starts = torch.stack(
        [torch.randint(0, 2 * far + 1, (rows,), generator=generator) for far in (down, right)],
        1,
    )
    return torch.stack(
        [
            image[:, top : top + height, left : left + width]
            for image, (top, left) in zip(padded, starts.tolist(), strict=True)
        ]
    )


def rows_of(inputs: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Some rows of a view."""
    return {name: value[rows] for name, value in inputs.items()}


def mixed(*numbers: int) -> int:
    """One seed from several: other numbers are, as good as surely, another seed."""
    seed = 0
    for number in numbers:
        seed = (seed * 6364136223846793005 + number + 1442695040888963407) % 2**63
    return seed
