"""Every symmetry near a given one, as numbers a gradient can move.

A rotation is the Cayley transform of a skew matrix times the rotation one starts from, so that it
stays a rotation (arXiv:1911.12443, section 3); an invertible map is the exponential of a free
matrix times the map one starts from, and so stays invertible; a complex factor of a pair that
rotary positions turn is the exponential of a free complex number. A permutation is the one that its
free scores are worth most under, see `hubmerge.matching.learning.choice`. Whatever the numbers are,
the model they make of the other one computes what the other one computes: arXiv:2506.22712,
section 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hubmerge.matching.learned.choice import chosen, scores_for, straight_through
from hubmerge.matching.similarity.activations import with_coupled
from hubmerge.matching.similarity.matched import matched_blocks
from hubmerge.specs.spec import ROTARY, ROTATE, Layout, Spec
from hubmerge.symmetry import permutation as permuting
from hubmerge.symmetry.element import Symmetry, dual_of, fixes_one, map_tensor
from hubmerge.symmetry.permutation import State, permute
from hubmerge.symmetry.rotary import matrix_of
from hubmerge.training.precision import single

TURN = 0.01
"""Angle a step turns a space by, in radians: each of its n^2 numbers moves by this / sqrt(n)."""

SWAP = 0.005
"""How far a step moves the scores of a permutation, which begin as correlations."""

Parameters = dict[str, Tensor]
"""Space -> float32 [n, n], or [outer..., n, n] where nested: where learning stands. For rotary
positions [outer..., n / 2, 2]: the logarithm of every pair's factor, real and imaginary part."""


class Parametrization:
    """The symmetries of one model (in canonical form, if anything is mapped) around a start."""

    def __init__(
        self, spec: Spec, state: State, start: Symmetry, alike: Mapping[str, Tensor] | None = None
    ) -> None:
        """`start` names any spaces; the others begin where they are. `state` is float64.

        alike: [outer..., n, outer..., n] of any spaces: how the anchor's units are like those of
        this model, in the order they came in. Where it says nothing, all exchanges are as likely.
        """
        self.spec, self.start = spec, complete(spec, start)
        self.alike = with_coupled(spec, alike or {}, self.start)
        permuted = permute(spec, state, self.start.permutation)
        self.base = single(permuted)
        self.permuted = tuple(name for name in spec.free_spaces() if can_be_chosen(spec, name))

    def parameters(self) -> Parameters:
        """The numbers at which nothing differs from the start."""
        zero = {name: torch.zeros(self._shape(name)) for name in self.start.maps}
        return {**zero, **{name: scores_for(self._likeness(name)) for name in self.permuted}}

    def rates(self) -> dict[str, float]:
        """Full rates: every step turns a space by about the same angle, whatever its size."""
        maps = {
            name: TURN if self._rotary(name) else TURN * matrix.shape[-1] ** -0.5
            for name, matrix in self.start.maps.items()
        }
        return {**maps, **dict.fromkeys(self.permuted, SWAP)}

    def moved(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The model after the symmetry that `parameters` stand for: float32, differentiable."""
        maps = {name: self._map(name, parameters[name]) for name in self.start.maps}
        duals = {name: self._dual(name, parameters[name], maps[name]) for name in maps}
        for name in self.permuted:
            maps[name] = duals[name] = straight_through(parameters[name])
        gains = {norm.gain for norm in self.spec.norms}
        moved = dict(self.base)
        for name, layout in self.spec.tensors.items():
            here = _touching(layout, maps)
            if name in gains:  # they are 1 wherever a map would mix them
                here = {space: m for space, m in here.items() if space not in self.start.maps}
            if here:
                moved[name] = map_tensor(self.spec, self.base[name], layout, here, duals)
        return moved

    def element(self, parameters: Mapping[str, Tensor]) -> Symmetry:
        """The symmetry itself, from the model as it was given: float64, exact."""
        maps = {
            name: self._map(name, parameters[name].detach().double()) for name in self.start.maps
        }
        then = {name: chosen(parameters[name].detach()) for name in self.permuted}
        return Symmetry(permuting.compose(self.spec, self.start.permutation, then), maps)

    def _likeness(self, space: str) -> Tensor:
        """[outer..., n, n]: after the start, unit by unit within every outer one."""
        shape = self.spec.index_shape(space)
        if space not in self.alike:
            return torch.zeros(*shape, shape[-1])
        order = self.start.permutation
        blocks = matched_blocks(self.spec, space, self.alike[space], order)
        return blocks.gather(-1, order[space].unsqueeze(-2).expand(*shape, shape[-1]))

    def _shape(self, space: str) -> tuple[int, ...]:
        *outer, size = self.spec.index_shape(space)
        return (*outer, size // 2, 2) if self._rotary(space) else (*outer, size, size)

    def _rotary(self, space: str) -> bool:
        return self.spec.spaces[space].may == ROTARY

    def _map(self, space: str, free: Tensor) -> Tensor:
        start = self.start.maps[space].to(free.dtype)
        if self.spec.spaces[space].may == ROTATE:
            return cayley(free, fixing_one=fixes_one(self.spec, space)) @ start
        if self._rotary(space):
            return matrix_of(torch.view_as_complex(free).exp()) @ start
        return torch.linalg.matrix_exp(free) @ start

    def _dual(self, space: str, free: Tensor, matrix: Tensor) -> Tensor:
        if self.spec.spaces[space].may == ROTATE:
            return matrix
        start = dual_of(self.spec, space, self.start.maps[space]).to(free.dtype)
        if self._rotary(space):
            return matrix_of((-torch.view_as_complex(free).conj()).exp()) @ start
        return torch.linalg.matrix_exp(-free.mT) @ start


def cayley(free: Tensor, *, fixing_one: bool = False) -> Tensor:
    """The rotation (1 + K)^-1 (1 - K) of K = free - free^T; [..., n, n].

    fixing_one: K without its part along the all-ones vector, which the rotation then fixes.
    """
    skew = free - free.mT
    if fixing_one:
        skew = skew - skew.mean(-1, keepdim=True)
        skew = skew - skew.mean(-2, keepdim=True)
    still = torch.eye(free.shape[-1], dtype=free.dtype)
    return torch.linalg.solve(still + skew, still - skew)


def complete(spec: Spec, start: Symmetry) -> Symmetry:
    """`start` with every free space and every map named, those it leaves out as identities."""
    permutation = {**permuting.identity(spec), **start.permutation}
    maps = {}
    for name in spec.mapped_spaces():
        shape = spec.index_shape(name)
        still = torch.eye(shape[-1], dtype=torch.float64).expand(*shape, shape[-1])
        maps[name] = start.maps[name].double() if name in start.maps else still.clone()
    return Symmetry(permutation, maps)


def can_be_chosen(spec: Spec, space: str) -> bool:
    """Whether the order of a free space is learned.

    Not where it is mapped; not where other free spaces lie within it, whose maps and orders would
    belong to other units after every exchange (heads); not where it runs twice along a tensor; not
    where a tensor gives the spaces around
    it an axis of their own, along which `map_tensor` cannot distinguish their units.
    """
    free = spec.free_spaces()
    if space not in free or space in spec.mapped_spaces():
        return False
    if any(space in spec.ancestors(name) for name in free):
        return False
    if any(space in twice for twice in spec.square.values()):
        return False
    layouts = (spec.tensors[name] for name in spec.touched_by[space])
    return all(
        set(spec.ancestors(space)) <= set(segment.names)
        for layout in layouts
        for segments in layout.segments
        for segment in segments
        if space in segment.names
    )


def _touching(layout: Layout, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: maps[name] for name in dict.fromkeys(layout.names()) if name in maps}
