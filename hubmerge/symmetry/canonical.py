"""Canonical forms: transformations that keep a model's function and make its symmetries plain.

`fold` moves norms' gains and biases into the layers that read them, `centre` removes what a
LayerNorm subtracts anyway, `balance` shares each product over a linear or rotary space (queries and
keys) evenly among its two sides, `level` (`hubmerge.spec.units`) gives every unit that may be
scaled one size. After the first two every rotation that the norms allow keeps the function; after
the third, the maps that align two models are nearly rotations too.
arXiv:2506.22712, section 3 and appendix; arXiv:2401.15024, section 3.2 (folding and rotating).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hubmerge.errors import CanonicalError
from hubmerge.errors.wording import option
from hubmerge.specs.spec import ROTARY, ROTATE, TWO_SIDED, Norm, Spec, weight_of
from hubmerge.symmetry.element import Maps, apply_maps, fixes_one, rows_of
from hubmerge.symmetry.permutation import State
from hubmerge.symmetry.rotary import factors_in, matrix_of
from hubmerge.symmetry.unit_scales import Factors, levelling, scale_inputs, scale_units

SMALLEST_GAIN = 1e-6
"""Share of a norm's largest gain below which nothing can be divided by it."""

RIDGE = 1e-9
"""Share of a head's mean power added to every direction, so that a dead one can be inverted."""


@dataclass(frozen=True)
class Form:
    """A model in canonical form, and what levelled and balanced it.

    inputs: factors of what enters batch norms, by module; units: of scaled spaces. maps: those that
    balanced its spaces of two sides.
    """

    state: dict[str, Tensor]
    inputs: Factors
    units: Factors
    maps: Maps


def canonical(spec: Spec, state: State) -> dict[str, Tensor]:
    """`state` folded, centred, levelled and balanced, floating tensors in float64.

    The function is the same. Raises: CanonicalError, see `fold`.
    """
    return canonical_form(spec, state).state


def canonical_form(spec: Spec, state: State) -> Form:
    """See `canonical`; activations inside heads follow the maps."""
    centred = centre(spec, fold(spec, in_float64(state)))
    inputs, units = levelling(spec, centred)
    levelled = scale_units(spec, scale_inputs(spec, centred, inputs), units)
    maps = balancing(spec, levelled)
    return Form(apply_maps(spec, levelled, maps), inputs, units, maps)


def fold(spec: Spec, state: State, units: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Gains of 1 in every norm over a rotated space; biases of 0 if all its readers have one.

    Where a reader has none, the norm keeps its bias, divided by its gain.
    units: bool [n] by the norm's module, the only gains that are folded; None: all of all norms.
    Raises: CanonicalError, if a bias would have to be divided by a gain too small for it.
    """
    folded = dict(state)
    for norm in folding(spec):
        gain, bias = state[norm.gain] + norm.offset, state.get(norm.bias)
        rest = None
        if units is not None:
            if norm.module not in units:
                continue
            # What stays in the norm: gains as they are, and what is folded is 1 there from now on.
            rest, gain, bias = _parted(units[norm.module], gain, bias)
        carried = is_carried(norm, state)
        for reader in norm.readers:
            name = weight_of(reader, folded)
            axis = axis_of(spec, name, norm.space)
            if bias is not None and carried:
                shift = torch.tensordot(folded[name], bias, dims=([axis], [0]))
                folded[f"{reader}.bias"] = folded[f"{reader}.bias"] + shift
            folded[name] = folded[name] * along(gain, axis, folded[name].ndim)
        left = torch.ones_like(gain) if rest is None else rest[0]
        folded[norm.gain] = left - norm.offset
        if bias is not None:
            gone = torch.zeros_like(bias) if carried else _divided(norm, bias, gain)
            folded[norm.bias] = gone if rest is None or rest[1] is None else gone + rest[1]
    return folded


def _parted(
    units: Tensor, gain: Tensor, bias: Tensor | None
) -> tuple[tuple[Tensor, Tensor | None], Tensor, Tensor | None]:
    """What of a norm stays, its gain and bias, and what of both is folded."""
    one = torch.ones_like(gain)
    stays = None if bias is None else bias * ~units
    folded = None if bias is None else bias * units
    return (torch.where(units, one, gain), stays), torch.where(units, gain, one), folded


def is_carried(norm: Norm, state: State) -> bool:
    """Whether the biases of all layers that read `norm` can take its own in."""
    return all(f"{reader}.bias" in state for reader in norm.readers)


def small_gains(gain: Tensor) -> Tensor:
    """Which entries of a gain are too small to divide by, bool [n]."""
    return gain.abs() <= SMALLEST_GAIN * gain.abs().max()


def _divided(norm: Norm, bias: Tensor, gain: Tensor) -> Tensor:
    small = small_gains(gain) & (bias != 0)
    if small.any():
        raise CanonicalError(
            f"{norm.module} cannot be brought into canonical form",
            found=f"{int(small.sum())} of its gains are 0 or nearly so, where its bias is not, and "
            "a layer that reads it has no bias to take that over",
            hint=f"{option('symmetry', 'permutations')} needs no canonical form",
            field="symmetry",
        )
    return torch.where(bias == 0, bias, bias / torch.where(bias == 0, torch.ones_like(gain), gain))


def centre(spec: Spec, state: State) -> dict[str, Tensor]:
    """The mean over the units of a space behind LayerNorms removed wherever it has no effect.

    From everything that writes the space, because its norms subtract it; from the layers that read
    a norm without a bias, because what leaves that norm has mean 0. `state` is folded.
    """
    centred = dict(state)
    for space in _rotated(spec):
        if not fixes_one(spec, space):
            continue
        norms = [norm for norm in spec.norms if norm.space == space]
        own = {name for norm in norms for name in (norm.gain, norm.bias)}
        readers = {weight_of(r, state): norm for norm in norms for r in norm.readers}
        for name in spec.touched_by[space]:
            if name in own or (name in readers and _shifted(readers[name], state)):
                continue
            value = state[name]
            centred[name] = value - value.mean(axis_of(spec, name, space), keepdim=True)
    return centred


def _shifted(norm: Norm, state: State) -> bool:
    return norm.bias in state and bool((state[norm.bias] != 0).any())


def balance(spec: Spec, state: State) -> dict[str, Tensor]:
    """Both sides of every product over a linear space given the same, diagonal Gram matrix.

    With U the rows of a head's one side and V those of its dual, U^T V stays what it is, and
    afterwards U U^T = V V^T, the diagonal matrix of its singular values. Of a rotary space every
    pair is given the same size on both sides, and no turn.
    """
    return apply_maps(spec, state, balancing(spec, state))


def balancing(spec: Spec, state: State) -> dict[str, Tensor]:
    """The maps that `balance` applies."""
    return {
        space: _evened(*_grams(spec, state, space))
        if kind == ROTARY
        else _balancing(_grams(spec, state, space))
        for space, kind in spec.mapped_spaces().items()
        if kind in TWO_SIDED
    }


def _grams(spec: Spec, state: State, space: str) -> tuple[Tensor, Tensor]:
    """[outer..., n, n] each: the Gram matrices of the rows of a space and of its dual."""
    shape = spec.index_shape(space)
    grams = [torch.zeros(*shape, shape[-1], dtype=torch.float64) for _ in range(2)]
    for name in spec.touched_by[space]:
        for dual, rows in rows_of(spec, state[name].double(), spec.tensors[name], space):
            grams[dual] = grams[dual] + rows @ rows.mT
    return grams[0], grams[1]


def _evened(ours: Tensor, dual: Tensor) -> Tensor:
    """[outer..., n, n]: the map that gives every pair of a rotary space one size."""
    power, wanted = (factors_in(gram).real for gram in (ours, dual))
    alive = (power > 0) & (wanted > 0)
    return matrix_of(torch.where(alive, wanted / power, 1.0).pow(0.25) + 0j)


def _balancing(grams: tuple[Tensor, Tensor]) -> Tensor:
    """[outer..., n, n]: the map that balances a linear space."""
    eye = torch.eye(grams[0].shape[-1], dtype=torch.float64)
    factors = []
    for gram in grams:
        power = gram.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        power = torch.where(power > 0, power, torch.ones_like(power))
        factors.append(torch.linalg.cholesky(gram + RIDGE * power * eye))
    left, middle, _ = torch.linalg.svd(factors[0].mT @ factors[1])
    inverse = torch.linalg.solve_triangular(factors[0], eye.expand_as(left), upper=False)
    # Signs are free; fixed by the largest entry, so that equal states have equal forms.
    map_ = middle.sqrt().unsqueeze(-1) * (left.mT @ inverse)
    largest = map_.gather(-1, map_.abs().argmax(-1, keepdim=True))
    return map_ * torch.where(largest < 0, -1.0, 1.0)


def folding(spec: Spec) -> list[Norm]:
    """The norms whose gains a canonical form folds: those over rotated spaces."""
    rotated = _rotated(spec)
    return [norm for norm in spec.norms if norm.space in rotated]


def _rotated(spec: Spec) -> list[str]:
    return [space for space, kind in spec.mapped_spaces().items() if kind == ROTATE]


def axis_of(spec: Spec, tensor: str, space: str) -> int:
    """The axis of `tensor` that runs over `space`, and nothing else."""
    names = [axis.name for axis in spec.tensors[tensor].axes]
    return names.index(space)


def along(vector: Tensor, axis: int, ndim: int) -> Tensor:
    """`vector` as it multiplies a tensor of `ndim` axes along one of them."""
    return vector.view([-1 if k == axis else 1 for k in range(ndim)])


def in_float64(state: State) -> dict[str, Tensor]:
    """`state` with every floating tensor in float64."""
    return {k: v.double() if v.is_floating_point() else v for k, v in state.items()}
