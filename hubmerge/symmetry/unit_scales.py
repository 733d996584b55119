"""Scales of units, which a model's function does not depend on.

Behind a positively homogeneous activation a unit may be scaled by any positive factor, if what
reads it is divided by the same; in front of a batch norm by any factor but 0, if its running
statistics follow and its gain is corrected for the eps added to the variance. `level` takes all
of this away: it gives every unit one size, so that none outweighs another in an average only
because of how it happens to be written down. A unit that is multiplied by a gate may be scaled, if
the gate is left alone. arXiv:1506.02617, section 2 (rescaling invariance); arXiv:2209.04836,
section 2 (which symmetries two networks differ by); arXiv:2002.05202, section 2 (SwiGLU).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubmerge.specs.notation import Segment
from hubmerge.specs.spec import Behind, Spec
from hubmerge.symmetry.permutation import State, positions

Array = NDArray[np.float64]
Places = NDArray[np.int64]
Factors = Mapping[str, Tensor]
"""[n] per name: factors of a space's units (by space), or of a norm's inputs (by its module)."""

SETTLED, SWEEPS = 1e-13, 1000
"""Factors this close to 1 end the search for a size that suits all spaces which share a tensor."""


def level(spec: Spec, state: State) -> dict[str, Tensor]:
    """Every unit of `state` at its one size; the function is the same.

    What enters a batch norm is given variance 1, and the sign that makes its gain positive. A unit
    that may be scaled is written and read by weights of the same norm. What has none is left alone.
    Floating tensors are in float64.
    """
    inputs, units = levelling(spec, state)
    return scale_units(spec, scale_inputs(spec, state, inputs), units)


def levelling(spec: Spec, state: State) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The factors by which `level` scales the inputs of batch norms, and then units."""
    inputs = _standard(spec, state)
    levelled = scale_inputs(spec, state, inputs)
    axes = {space: _scaled_axes(spec, levelled, space) for space in spec.scaled_spaces()}
    squares = _squares(spec, levelled, axes)
    units = {space: np.ones(spec.sizes[space]) for space in axes}
    for _ in range(SWEEPS):
        furthest = 0.0
        for space in axes:
            weights = [axis for axis in axes[space] if axis.tensor in squares]
            factor = _even(squares, weights, spec.sizes[space])
            for axis in weights:
                squares[axis.tensor].scale(axis, factor)
            units[space] *= factor
            furthest = max(furthest, float(np.abs(factor - 1).max()))
        if furthest < SETTLED:
            break
    return inputs, {space: torch.from_numpy(factors) for space, factors in units.items()}


def scale_units(spec: Spec, state: State, factors: Factors) -> dict[str, Tensor]:
    """`state` with units of scaled spaces multiplied by positive `factors`, by space."""
    scaled = dict(state)
    for space, factor in factors.items():
        scaled = _scale(scaled, _scaled_axes(spec, scaled, space), factor)
    return scaled


def scale_inputs(spec: Spec, state: State, factors: Factors) -> dict[str, Tensor]:
    """`state` with what enters batch norms multiplied by `factors` (not 0), by the norm's module.

    Raises: ValueError, if the spec does not say what these norms add to the variance.
    """
    scaled = dict(state)
    norms = {norm.module: norm for norm in spec.behind if norm.batch}
    eps = spec.batchnorm_eps
    for module, factor in factors.items():
        if eps is None:
            raise ValueError(f"{module}: nothing says what is added to its variance")
        norm = norms[module]
        mean, variance = f"{module}.running_mean", f"{module}.running_var"
        for name in (f"{norm.writer}.weight", f"{norm.writer}.bias", mean):
            if name in state:
                scaled[name] = _rows_scaled(spec, scaled[name], name, norm, factor)
        before = state[variance]
        scaled[variance] = before * factor.square()
        grown = (scaled[variance] + eps).sqrt() / (before + eps).sqrt()
        scaled[norm.gain] = state[norm.gain] * grown / factor
    return scaled


Scale = Callable[[Spec, State, Factors], dict[str, Tensor]]


def random_scales(spec: Spec, seed: int) -> Iterator[tuple[str, Tensor, Scale]]:
    """Random factors for every space that may be scaled and every batch norm, with what applies
    them; those of a norm's inputs have random signs.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(space: str) -> Tensor:
        return torch.randn(spec.sizes[space], generator=generator, dtype=torch.float64)

    for space in spec.scaled_spaces():
        yield space, draw(space).exp(), scale_units
    for norm in spec.behind:
        if norm.batch:
            yield norm.module, draw(norm.space).exp() * draw(norm.space).sign(), scale_inputs


def _standard(spec: Spec, state: State) -> dict[str, Tensor]:
    """Factors that give each input of a batch norm variance 1 and a positive gain."""
    found = {}
    for norm in spec.behind:
        if norm.batch:
            variance = state[f"{norm.module}.running_var"].double()
            sign = torch.where(state[norm.gain] < 0, -1.0, 1.0).double()
            found[norm.module] = sign * torch.where(variance > 0, variance.rsqrt(), 1.0)
    return found


class _Squares:
    """The squares of a tensor's weights, by its axes over scaled spaces, which alone are kept.

    What these axes are scaled by is kept beside the sums, so that a sweep reads no whole tensor.
    """

    def __init__(self, tensor: Tensor, axes: Iterable[int]) -> None:
        self._axes = sorted(axes)
        others = [axis for axis in range(tensor.ndim) if axis not in self._axes]
        squares = tensor.double().square()
        self._sums: Array = (squares.sum(others) if others else squares).cpu().numpy()
        self._factors = [np.ones(size) for size in self._sums.shape]

    def scale(self, axis: _ScaledAxis, factor: Array) -> None:
        """Multiplies units [n] along an axis."""
        squares = self._factors[self._axes.index(axis.axis)]
        for places, units, dual in axis.indices:
            part = factor[units] ** 2
            squares[places] *= 1 / part if dual else part

    def along(self, axis: int) -> Array:
        """[n]: sums of squares, position by position of an axis."""
        kept = self._axes.index(axis)
        sums = self._sums
        for other in reversed(range(len(self._axes))):
            if other != kept:
                # Not a product of matrices, which is summed otherwise on other processors.
                sums = (np.moveaxis(sums, other, -1) * self._factors[other]).sum(-1)
        return sums * self._factors[kept]


def _squares(
    spec: Spec, state: State, axes: Mapping[str, Sequence[_ScaledAxis]]
) -> dict[str, _Squares]:
    """The squares of every weight that is written or read by scaled units."""
    found: dict[str, set[int]] = {}
    for axis in (axis for each in axes.values() for axis in each):
        if axis.tensor not in spec.buffers:
            found.setdefault(axis.tensor, set()).add(axis.axis)
    return {name: _Squares(state[name], numbers) for name, numbers in found.items()}


def _even(squares: Mapping[str, _Squares], axes: Sequence[_ScaledAxis], size: int) -> Array:
    """[n]: factors that make the weights that write a unit as large as those that read it."""
    written, read = np.zeros(size), np.zeros(size)
    for axis in axes:
        sums = squares[axis.tensor].along(axis.axis)
        for places, units, dual in axis.indices:
            np.add.at(read if dual else written, units, sums[places])
    alive = (written > 0) & (read > 0)
    return np.where(alive, read / np.where(alive, written, 1.0), 1.0) ** 0.25


@dataclass(frozen=True)
class _ScaledAxis:
    """An axis of a tensor that runs over a space; size: its length, ndim: axes of the tensor.

    parts: its stretches over the space: positions along the axis, the unit at each, and whether
    that is divided by its factor.
    """

    tensor: str
    axis: int
    size: int
    ndim: int
    parts: tuple[tuple[Tensor, Tensor, bool], ...]

    @cached_property
    def indices(self) -> list[tuple[Places, Places, bool]]:
        """Its parts, for numpy."""
        return [(places.numpy(), units.numpy(), dual) for places, units, dual in self.parts]

    def along(self, factor: Tensor) -> Tensor:
        """What every position of the axis is multiplied by, as it multiplies the tensor."""
        if self._in_order:
            found = 1 / factor if self.parts[0][2] else factor
        else:
            found = torch.ones(self.size, dtype=torch.float64)
            for places, units, dual in self.parts:
                found[places] *= (1 / factor if dual else factor)[units]
        return found.view([-1 if k == self.axis else 1 for k in range(self.ndim)])

    @cached_property
    def _in_order(self) -> bool:
        """Whether the axis is the space, unit by unit."""
        every = torch.arange(self.size)
        return len(self.parts) == 1 and all(torch.equal(each, every) for each in self.parts[0][:2])


def _scaled_axes(spec: Spec, state: State, space: str) -> list[_ScaledAxis]:
    """Every axis that runs over a scaled space, but for those of tensors in front of its gate."""
    found = []
    for name in spec.touched_by[space]:
        if name in spec.in_front.get(space, ()):
            continue
        for axis, segments in enumerate(spec.tensors[name].segments):
            parts = tuple(
                (positions(segment).flatten(), _units(segment, place), grid.dual)
                for segment in segments
                for place, grid in enumerate(segment.grids)
                if grid.name == space
            )
            if parts:
                shape = state[name].shape
                found.append(_ScaledAxis(name, axis, shape[axis], len(shape), parts))
    return found


def _units(segment: Segment, place: int) -> Tensor:
    """The unit at every position of a segment, by one of its factors."""
    sizes = [-1 if k == place else 1 for k in range(len(segment.grids))]
    return torch.arange(segment.grids[place].size).view(sizes).expand(segment.shape).flatten()


def _scale(state: State, axes: Sequence[_ScaledAxis], factor: Tensor) -> dict[str, Tensor]:
    """`state` with the units of one space multiplied, along all axes that run over it."""
    scaled = dict(state)
    for axis in axes:
        scaled[axis.tensor] = scaled[axis.tensor] * axis.along(factor)
    return scaled


def _rows_scaled(spec: Spec, value: Tensor, name: str, norm: Behind, factor: Tensor) -> Tensor:
    axis = [each.name for each in spec.tensors[name].axes].index(norm.space)
    return value * factor.view([-1 if k == axis else 1 for k in range(value.ndim)])
