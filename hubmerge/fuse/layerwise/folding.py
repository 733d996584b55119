"""A layer and the batch norm behind it as one affine map, and such a map as stock tensors again.

In evaluation mode a batch norm scales and shifts every channel, so layer and norm together are
y = W x + b. That is what is averaged and fitted. Written back, the layer keeps the scale its
averaged weights had, the norm's running statistics are those of the images it was fitted on
(re-estimating them there changes nothing), and its gain and shift are what is then left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hubmerge.fuse.layerwise.trace import Writer
from hubmerge.symmetry.permutation import State


@dataclass(frozen=True)
class Affine:
    """y = matrix x + bias, float64: [groups, outputs of a group, inputs] and [outputs]."""

    matrix: Tensor
    bias: Tensor | None

    def at(self, x: Tensor) -> Tensor:
        """matrix x for x [groups, inputs]: [outputs]."""
        return (self.matrix @ x.unsqueeze(-1)).flatten()


def folded(state: State, writer: Writer) -> Affine:
    """What `writer` and its norm compute with the tensors of `state`."""
    matrix = writer.layer.matrix(state[f"{writer.name}.weight"]).double()
    bias = state[f"{writer.name}.bias"].double() if writer.layer.biased else None
    if writer.norm is None:
        return Affine(matrix, bias)
    gain, shift, mean, variance = (
        state[f"{writer.norm}.{key}"].double()
        for key in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / (variance + writer.eps).sqrt()
    before = -mean if bias is None else bias - mean
    return Affine(matrix * scale.view(len(matrix), -1, 1), before * scale + shift)


def mean_of(maps: Sequence[Affine], weights: Sequence[float]) -> Affine:
    """The weighted mean; what the parents do on average where all get the same input.

    Exactly the one map that all of them are, where they agree.
    """
    first, *others = maps
    matrix, bias = first.matrix, first.bias
    for other, weight in zip(others, weights[1:], strict=True):
        matrix = matrix + weight * (other.matrix - first.matrix)
        if bias is not None and first.bias is not None and other.bias is not None:
            bias = bias + weight * (other.bias - first.bias)
    return Affine(matrix, bias)


def as_held(writer: Writer, average: State, wanted: Affine) -> dict[str, Tensor] | None:
    """The tensors of `average`, if they compute `wanted` as they are."""
    held = folded(average, writer)
    if not torch.equal(held.matrix, wanted.matrix):
        return None
    biases = [each.bias for each in (held, wanted) if each.bias is not None]
    if any(not torch.equal(biases[0], bias) for bias in biases[1:]):
        return None
    modules = [writer.name, *([writer.norm] if writer.norm else [])]
    keys = ("weight", "bias", "running_mean", "running_var")
    names = [f"{module}.{key}" for module in modules for key in keys]
    return {name: average[name] for name in names if name in average}


def plainly(writer: Writer, average: State, wanted: Affine) -> dict[str, Tensor]:
    """Tensors that compute `wanted` with a norm that changes nothing but the shift."""
    tensors = {"weight": writer.layer.weight(wanted.matrix)}
    if writer.layer.biased:
        assert wanted.bias is not None
        tensors["bias"] = wanted.bias if writer.norm is None else torch.zeros_like(wanted.bias)
    tensors = {f"{writer.name}.{key}": value for key, value in tensors.items()}
    if writer.norm is not None:
        assert wanted.bias is not None
        one = torch.ones_like(wanted.bias)
        gain = one * (1 + writer.eps) ** 0.5
        tensors |= _norm(writer.norm, gain, wanted.bias, torch.zeros_like(one), one)
    return _like(average, tensors)


def in_stock_form(
    writer: Writer, average: State, wanted: Affine, mean: Tensor, covariance: Tensor
) -> dict[str, Tensor]:
    """Tensors that compute `wanted` as the trained model would hold it.

    mean, covariance: of the rows that entered, [groups, inputs] and [groups, inputs, inputs].
    """
    if writer.norm is None:
        return plainly(writer, average, wanted)
    assert wanted.bias is not None
    usual = writer.layer.matrix(average[f"{writer.name}.weight"]).double()
    sign = torch.where(average[f"{writer.norm}.weight"] < 0, -1.0, 1.0).double()
    scale = sign * _ratio(usual.norm(dim=-1), wanted.matrix.norm(dim=-1)).flatten()
    matrix = wanted.matrix * scale.view(len(usual), -1, 1)
    variance = ((matrix @ covariance) * matrix).sum(-1).flatten().clamp_min(0)
    centre = Affine(matrix, None).at(mean)
    tensors = {f"{writer.name}.weight": writer.layer.weight(matrix)}
    if writer.layer.biased:
        bias = average[f"{writer.name}.bias"].double()
        tensors[f"{writer.name}.bias"] = bias
        centre = centre + bias
    gain = (variance + writer.eps).sqrt() / scale
    tensors |= _norm(writer.norm, gain, wanted.bias + wanted.at(mean), centre, variance)
    return _like(average, tensors)


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 1 where either is 0."""
    usable = (a > 0) & (b > 0)
    return torch.where(usable, a / torch.where(usable, b, 1.0), 1.0)


def _norm(
    name: str, gain: Tensor, shift: Tensor, mean: Tensor, variance: Tensor
) -> dict[str, Tensor]:
    return {
        f"{name}.weight": gain,
        f"{name}.bias": shift,
        f"{name}.running_mean": mean,
        f"{name}.running_var": variance,
    }


def _like(average: State, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.to(average[name].dtype).contiguous() for name, value in tensors.items()}
