"""From activations to rows of a regression: which images, which places, in which fold."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hubmerge.fuse.layerwise.layers import Layer
from hubmerge.fuse.layerwise.trace import LayerGroup, Stage, TracePoint

PLACES = 64
"""Places of an image that become rows, at most: the ones between them would say nearly the same."""

ENOUGH = 2**14
ROWS_EACH = 32
"""Rows in all, and for each input of a layer, beyond which places of an image are left out."""

TURN = (5**0.5 - 1) / 2
"""By this share of an image the places move on from one image to the next (the golden ratio)."""

HELD_OUT = 5
"""One image in so many is in the fold that is held out while a ridge is chosen."""

CHUNK_BYTES = 2**26
"""Rows that are laid out at a time: 64 MiB."""


@dataclass(frozen=True)
class System:
    """Groups whose layers make the same rows of the same inputs: query, key and value."""

    groups: tuple[LayerGroup, ...]

    @property
    def blocks(self) -> list[int]:
        """Inputs of each layer of a group."""
        return [writer.layer.inputs for writer in self.groups[0].writers]

    @property
    def outputs(self) -> list[int]:
        """Outputs of each group, one behind the other in what is missing."""
        return [group.writers[0].layer.outputs for group in self.groups]


def systems(stage: Stage) -> list[System]:
    """The groups of a stage, those with the same rows together."""
    same: dict[Hashable, list[LayerGroup]] = {}
    for group in stage:
        key = tuple((writer.reads, writer.layer.reading) for writer in group.writers)
        same.setdefault(key, []).append(group)
    return [System(tuple(groups)) for groups in same.values()]


def rows(
    system: System,
    images: Tensor,
    given: Sequence[Tensor],
    missing: Mapping[TracePoint, Tensor],
    most: int,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Fold (0, or 1 if held out), X and R, some images at a time.

    images: the number of each image in the whole set, which alone decides its fold and its places.
    given: what entered each layer of a group. missing: what is to be reached at each place. most:
    how many images the whole set has.
    Returns: X [groups, rows, inputs of all layers], R [groups, rows, outputs of all groups].
    """
    wanted = _wanted(system, len(images), missing)
    groups, count, places, _ = wanted.shape
    layers = [writer.layer for writer in system.groups[0].writers]
    inputs = sum(system.blocks)
    seen = min(places, PLACES, -(-max(ENOUGH, ROWS_EACH * inputs) // most))
    size = groups * seen * inputs * wanted.element_size()
    for part in torch.arange(count).split(max(1, CHUNK_BYTES // size)):
        where = _spread(images[part], places, seen)
        x = torch.cat(
            [
                _rows_of(layer, value, count, part, where, places)
                for layer, value in zip(layers, given, strict=True)
            ],
            -1,
        )
        r = wanted[:, part.unsqueeze(1), where]
        for fold, which in folds_of(images[part]):
            yield fold, x[:, which].flatten(1, 2), r[:, which].flatten(1, 2)


def _rows_of(
    layer: Layer, given: Tensor, count: int, which: Tensor, where: Tensor, places: int
) -> Tensor:
    """Some rows of a layer, [groups, images, rows of an image, inputs].

    given: what entered it from `count` images, each one or more of its items (windows). which: of
    these images. where: the places of each, [images, rows of an image], of its `places`.
    """
    items = len(given) // count
    of_item = places // items
    first = which.unsqueeze(1) * items
    return layer.rows_at(given, first + where // of_item, where % of_item)


def folds_of(images: Tensor) -> Iterator[tuple[int, Tensor]]:
    """0, or 1 if held out, and which of some images are in that fold; empty ones are left out."""
    held = images % HELD_OUT == HELD_OUT - 1
    for fold, which in enumerate((~held, held)):
        if which.any():
            yield fold, which


def _wanted(system: System, images: int, missing: Mapping[TracePoint, Tensor]) -> Tensor:
    """What the groups have to reach: [groups of channels, images, places, outputs]."""
    layer = system.groups[0].writers[0].layer
    each = []
    for group in system.groups:
        value = missing[group.place].movedim(layer.axis, -1)
        value = value.reshape(images, -1, layer.groups, value.shape[-1] // layer.groups)
        each.append(value.permute(2, 0, 1, 3))
    return torch.cat(each, -1)


def sampled(values: Tensor, images: Tensor) -> Tensor:
    """`values` [groups, images, places, ...] at no more than `PLACES` of its places.

    images: the number of each image in the whole set, which alone decides them.
    """
    places = values.shape[2]
    if places <= PLACES:
        return values
    return values[:, torch.arange(len(images)).unsqueeze(1), _spread(images, places, PLACES)]


def _spread(images: Tensor, places: int, wanted: int) -> Tensor:
    """So many of the places, evenly spread and others for each image: [images, wanted]."""
    if wanted == places:
        return torch.arange(places).expand(len(images), -1)
    start = (images.double() * TURN).frac().unsqueeze(1)
    return ((start + torch.arange(wanted) / wanted) * places % places).long()
