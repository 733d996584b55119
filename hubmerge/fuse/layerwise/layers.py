"""Layers as linear maps: what a module computes, written as rows times a matrix.

A layer turns what entered its module into rows X [groups, items, places, inputs], such that
X @ matrix^T + bias is what leaves it, [groups, items, places, outputs of a group]. An item is an
entry of the first axis (an image), a place one of the positions the module works at: a token, an
output pixel. A new kind of layer is one class here.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional as F
from transformers.pytorch_utils import Conv1D


class Layer(Protocol):
    """A module as a linear map; it holds the module's geometry and none of its tensors.

    axis: the one of the module's output that runs over channels. inputs, outputs: how many each
    group reads and writes at a place. reading: equal for layers that make the same rows of the
    same input.
    """

    axis: int
    groups: int
    inputs: int
    outputs: int
    biased: bool
    reading: Hashable

    def rows(self, given: Tensor) -> Tensor:
        """What entered the module as rows, [groups, items, places, inputs]."""
        ...

    def rows_at(self, given: Tensor, items: Tensor, places: Tensor) -> Tensor:
        """`rows(given)[:, items, places]`, without making the others."""
        ...

    def matrix(self, weight: Tensor) -> Tensor:
        """The module's weight as [groups, outputs of a group, inputs]."""
        ...

    def weight(self, matrix: Tensor) -> Tensor:
        """The weight whose `matrix` that is."""
        ...


class LinearLayer:
    """nn.Linear, weight [outputs, inputs]: one row per token."""

    axis = -1
    groups = 1
    reading: Hashable = "linear"

    def __init__(self, inputs: int, outputs: int, biased: bool) -> None:
        self.inputs, self.outputs, self.biased = inputs, outputs, biased

    def rows(self, given: Tensor) -> Tensor:
        return given.reshape(1, len(given), -1, self.inputs)

    def rows_at(self, given: Tensor, items: Tensor, places: Tensor) -> Tensor:
        return self.rows(given)[:, items, places]

    def matrix(self, weight: Tensor) -> Tensor:
        return weight.unsqueeze(0)

    def weight(self, matrix: Tensor) -> Tensor:
        return matrix.squeeze(0)


class TransposedLayer(LinearLayer):
    """transformers' Conv1D: a linear layer whose weight is [inputs, outputs]."""

    def matrix(self, weight: Tensor) -> Tensor:
        return weight.T.unsqueeze(0)

    def weight(self, matrix: Tensor) -> Tensor:
        return matrix.squeeze(0).T


class ConvolutionLayer:
    """nn.Conv2d of any kernel, stride, padding, dilation and groups: one row per output pixel."""

    axis = 1

    def __init__(self, module: nn.Conv2d) -> None:
        self.groups = module.groups
        self.inputs, self.outputs = module.weight[0].numel(), len(module.weight) // module.groups
        self.biased = module.bias is not None
        self._shape = module.weight.shape
        self._kernel, self._stride = module.kernel_size, module.stride
        self._dilation = module.dilation
        self._padding = tuple(module._reversed_padding_repeated_twice)
        self._mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
        geometry = (self._kernel, self._stride, self._dilation, self._padding, self._mode)
        self.reading: Hashable = (*geometry, self.groups)

    def rows(self, given: Tensor) -> Tensor:
        padded = F.pad(given, self._padding, mode=self._mode)
        patches = F.unfold(padded, self._kernel, self._dilation, stride=self._stride)
        return patches.unflatten(1, (self.groups, -1)).permute(1, 0, 3, 2)

    def rows_at(self, given: Tensor, items: Tensor, places: Tensor) -> Tensor:
        padded = F.pad(given, self._padding, mode=self._mode).contiguous()
        reach = [d * (k - 1) for d, k in zip(self._dilation, self._kernel, strict=True)]
        height, width = (
            (size - far - 1) // step + 1
            for size, far, step in zip(padded.shape[-2:], reach, self._stride, strict=True)
        )
        each, channel, row, column = padded.stride()
        (down, right), (below, beside) = self._stride, self._dilation
        patches = padded.as_strided(
            (*padded.shape[:2], height, width, *self._kernel),
            (each, channel, row * down, column * right, row * below, column * beside),
        )
        found = patches[items, :, places // width, places % width]
        return found.reshape(*items.shape, self.groups, self.inputs).movedim(-2, 0)

    def matrix(self, weight: Tensor) -> Tensor:
        return weight.reshape(self.groups, -1, self.inputs)

    def weight(self, matrix: Tensor) -> Tensor:
        return matrix.reshape(self._shape)


def as_layer(module: nn.Module) -> Layer | None:
    """`module` as a linear map; None if it is none of the kinds known here."""
    if type(module) is nn.Linear:
        return LinearLayer(module.in_features, module.out_features, module.bias is not None)
    if type(module) is Conv1D:
        return TransposedLayer(module.nx, module.nf, biased=True)
    if type(module) is nn.Conv2d:
        return ConvolutionLayer(module)
    return None
