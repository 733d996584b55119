"""Elements of a model's symmetry group beyond permutations, as pure functions on tensors.

A permutation may be followed by a map of every space that may be more than permuted: a rotation
of the residual stream behind norms, an invertible map inside each attention head (under rotary
positions, a complex factor per pair), signs and order of units that pass an odd function. Tensors
along the space are multiplied by the map, those that name the space with a prime by its inverse
transpose. A rotation leaves the function alone only in canonical form (`hubmerge.spec.canonical`):
arXiv:2506.22712, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hubmerge.specs.notation import Segment
from hubmerge.specs.spec import FLIP, ROTARY, ROTATE, TWO_SIDED, Layout, Spec
from hubmerge.symmetry import permutation as permuting
from hubmerge.symmetry.permutation import Permutation, State, permute, positions
from hubmerge.symmetry.rotary import factors_in, matrix_of, nearest_turn
from hubmerge.symmetry.stretches import stretches

Maps = Mapping[str, Tensor]
"""Space -> [n, n], or [heads, n, n] where nested; row h maps the inside of the *new* head h."""

STRETCH = 0.5
"""How far the singular values of a random linear map spread, as a standard deviation of logs."""


@dataclass(frozen=True)
class Symmetry:
    """Units reordered, then mapped. A space that is mapped is not reordered as well.

    The permutation names no rotary space, which has no other order.
    """

    permutation: Permutation
    maps: Maps = field(default_factory=dict)


def fixes_one(spec: Spec, space: str) -> bool:
    """Whether rotations of `space` must fix the all-ones vector: its norms subtract the mean."""
    return any(norm.centred for norm in spec.norms if norm.space == space)


def transform(spec: Spec, state: State, symmetry: Symmetry) -> dict[str, Tensor]:
    """`state` after `symmetry`; tensors it does not touch are shared.

    With rotations among the maps, `state` is in canonical form. Differentiable in the maps.
    """
    return apply_maps(spec, permute(spec, state, symmetry.permutation), symmetry.maps)


def apply_maps(spec: Spec, state: State, maps: Maps) -> dict[str, Tensor]:
    """`state` with the units of every mapped space combined; see `maps_on`."""
    moved = dict(state)
    if not maps:
        return moved
    duals = {space: dual_of(spec, space, matrix) for space, matrix in maps.items()}
    touched = {tensor: None for space in maps for tensor in spec.touched_by[space]}
    for name in touched:
        here, back = maps_on(spec, name, maps), maps_on(spec, name, duals)
        moved[name] = map_tensor(spec, state[name], spec.tensors[name], here, back)
    return moved


def maps_on(spec: Spec, tensor: str, maps: Maps) -> Maps:
    """What `maps` do to one tensor: gains, which are 1 where units are mixed, keep their sign."""
    if tensor not in spec.unsigned:
        return maps
    return {s: matrix.abs() for s, matrix in maps.items() if spec.spaces[s].may == FLIP}


def dual_of(spec: Spec, space: str, matrix: Tensor) -> Tensor:
    """The inverse transpose of a map: of a rotation, or signs, the matrix itself."""
    return torch.linalg.inv(matrix).mT if spec.spaces[space].may in TWO_SIDED else matrix


def map_tensor(spec: Spec, tensor: Tensor, layout: Layout, maps: Maps, duals: Maps) -> Tensor:
    """One tensor with the units of every space in `maps` combined."""
    for number, segments in enumerate(layout.segments):
        for segment in segments:
            for place, grid in enumerate(segment.grids):
                if grid.name is not None and grid.name in maps:
                    matrix = (duals if grid.dual else maps)[grid.name]
                    outer = [segment.names.index(o) for o in spec.ancestors(grid.name)]
                    whole = len(segments) == 1
                    tensor = _map_along(tensor, number, segment, whole, (*outer, place), matrix)
    return tensor


def _map_along(
    tensor: Tensor,
    number: int,
    segment: Segment,
    whole: bool,
    places: tuple[int, ...],
    matrix: Tensor,
) -> Tensor:
    """`tensor` with factor places[-1] of one stretch of axis `number` multiplied by `matrix`.

    whole: the stretch is the whole axis. places[:-1]: the factors `matrix` is given per unit of.
    """
    rows = tensor.movedim(number, 0)
    index = positions(segment).flatten().to(tensor.device)
    part = rows if whole else rows.index_select(0, index)
    grid = part.reshape(*segment.shape, -1)
    rest = [k for k in range(grid.ndim) if k not in places]
    order = [*places, *rest]
    front = grid.permute(order)
    flat = front.reshape(*front.shape[: len(places)], -1)
    mapped = (matrix.to(device=tensor.device, dtype=tensor.dtype) @ flat).reshape(front.shape)
    back = [order.index(k) for k in range(grid.ndim)]
    part = mapped.permute(back).reshape(part.shape)
    return (part if whole else rows.index_copy(0, index, part)).movedim(0, number)


def rows_of(
    spec: Spec, tensor: Tensor, layout: Layout, space: str
) -> Iterator[tuple[bool, Tensor]]:
    """As `unfold`: everything that touches `space` as rows, and whether it does so as its dual."""
    for stretch in stretches(spec, layout, space):
        yield stretch.dual, stretch.rows(tensor)


def compose(spec: Spec, first: Symmetry, then: Symmetry) -> Symmetry:
    """The one element that equals `first` and after that `then`."""
    maps: dict[str, Tensor] = {}
    for space in dict.fromkeys((*first.maps, *then.maps)):
        if space in first.maps:
            before = _carried(spec, space, first.maps[space], then.permutation)
            maps[space] = then.maps[space] @ before if space in then.maps else before
        else:
            maps[space] = then.maps[space]
    return Symmetry(permuting.compose(spec, first.permutation, then.permutation), maps)


def invert(spec: Spec, symmetry: Symmetry) -> Symmetry:
    """The element that undoes `symmetry`."""
    permutation = permuting.invert(spec, symmetry.permutation)
    maps = {
        space: _carried(spec, space, torch.linalg.inv(matrix), permutation)
        for space, matrix in symmetry.maps.items()
    }
    return Symmetry(permutation, maps)


def _carried(spec: Spec, space: str, matrix: Tensor, permutation: Permutation) -> Tensor:
    """A map given per outer unit, after those have been reordered."""
    if not spec.ancestors(space):
        return matrix
    return matrix[permuting.outer_index(spec, space, permutation)]


def random_symmetry(spec: Spec, seed: int) -> Symmetry:
    """A random element: every space that is only permuted reordered, every other one mapped."""
    generator = torch.Generator().manual_seed(seed)
    kinds = spec.mapped_spaces()
    untouched = permuting.identity(spec)
    drawn = permuting.random_permutation(spec, seed)
    permutation = {n: still if n in kinds else drawn[n] for n, still in untouched.items()}
    maps = {}
    for space, kind in kinds.items():
        shape = spec.index_shape(space)
        free = torch.randn(*shape, shape[-1], generator=generator, dtype=torch.float64)
        if kind == FLIP:
            maps[space] = signed(free[:, 0].argsort(), free[:, -1] < 0)
            continue
        if kind == ROTARY:
            size, angle = free[..., 0, :].chunk(2, -1)
            maps[space] = matrix_of(torch.polar((STRETCH * size).exp(), torch.pi * angle))
            continue
        left = nearest_rotation(free, fixing_one=fixes_one(spec, space))
        if kind == ROTATE:
            maps[space] = left
        else:
            other = torch.randn(*shape, shape[-1], generator=generator, dtype=torch.float64)
            spread = torch.randn(*shape, generator=generator, dtype=torch.float64)
            right = nearest_rotation(other)
            maps[space] = left * (STRETCH * spread).exp().unsqueeze(-2) @ right
    return Symmetry(permutation, maps)


def signed(order: Tensor, flipped: Tensor) -> Tensor:
    """[n, n], float64: new[i] = old[order[i]], with its sign changed where flipped[i]."""
    matrix = torch.zeros(len(order), len(order), dtype=torch.float64)
    signs = 1.0 - 2.0 * flipped.double()
    matrix[torch.arange(len(order)), order] = signs
    return matrix


def nearest_map(spec: Spec, space: str, matrix: Tensor) -> Tensor:
    """The map of `space` that has the largest inner product with `matrix` [..., n, n].

    Of all maps that its kind allows and that turn, without stretching; see `nearest_rotation`.
    """
    if spec.spaces[space].may == ROTARY:
        return nearest_turn(matrix)
    return nearest_rotation(matrix, fixing_one=fixes_one(spec, space))


def worth_of_nearest(spec: Spec, space: str, matrix: Tensor) -> Tensor:
    """[...]: the inner product of `matrix` [..., n, n] with the `nearest_map` of a two-sided space.

    The sum of its singular values, or of the sizes of what every pair is multiplied by.
    """
    if spec.spaces[space].may == ROTARY:
        return 2 * factors_in(matrix).abs().sum(-1)
    return torch.linalg.svdvals(matrix).sum(-1)


def nearest_rotation(matrix: Tensor, *, fixing_one: bool = False) -> Tensor:
    """The orthogonal Q with the largest inner product with `matrix` [..., n, n]: its polar factor.

    fixing_one: among those with Q 1 = 1, which turn only what is orthogonal to the all-ones
    vector. Orthogonal Procrustes problem: Schoenemann, Psychometrika 31, 1966.
    """
    if not fixing_one:
        left, _, right = torch.linalg.svd(matrix)
        return left @ right
    size = matrix.shape[-1]
    basis = complement_of_one(size, matrix.dtype, matrix.device)
    turned = nearest_rotation(basis.T @ matrix @ basis)
    return basis @ turned @ basis.T + torch.full_like(matrix, 1 / size)


def complement_of_one(
    size: int, dtype: torch.dtype = torch.float64, device: torch.device | None = None
) -> Tensor:
    """An orthonormal basis [n, n - 1] of what is orthogonal to the all-ones vector."""
    towards = torch.full((size,), size**-0.5, dtype=torch.float64)
    towards[0] -= 1.0
    reflected = torch.eye(size, dtype=torch.float64)
    if size > 1:
        reflected -= 2 * torch.outer(towards, towards) / towards.square().sum()
    return reflected[:, 1:].to(dtype=dtype, device=device)
