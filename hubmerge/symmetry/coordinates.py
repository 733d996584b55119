"""From canonical form back into the coordinates that a model was given in.

Models are aligned in canonical form, and what is aligned is carried from there into A's own
coordinates: by the inverse of A's balancing maps, by A's sizes of units, and with A's gains and
biases in its norms. All of that is linear in the weights, so that the weighted mean of models in
A's coordinates is the same function as their mean in canonical form. What reaches A is added to A
as the difference of two forms that took the same way back: where those do not differ A stays as it
is, to the last bit, and what a canonical form leaves out, such as means behind LayerNorms, is A's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hubmerge.specs.spec import Spec, weight_of
from hubmerge.symmetry.canonical import (
    Form,
    along,
    axis_of,
    canonical_form,
    fold,
    folding,
    in_float64,
    is_carried,
    small_gains,
)
from hubmerge.symmetry.element import apply_maps
from hubmerge.symmetry.permutation import State
from hubmerge.symmetry.unit_scales import scale_inputs, scale_units

ROUNDING = 1e-12
"""Share of a tensor's largest entry up to which two ways of writing it down count as the same."""


@dataclass(frozen=True)
class Coordinates:
    """The coordinates of one model, and the way into them from canonical form.

    own: that model, in float64; gains that nothing can be divided by are folded. settled: those
    gains, bool [n] by the norm's module. form: its canonical form. back: that form, carried back.
    """

    spec: Spec
    own: dict[str, Tensor]
    settled: Mapping[str, Tensor]
    form: Form
    back: dict[str, Tensor]

    def bring(self, aligned: State) -> dict[str, Tensor]:
        """What is aligned with `form`, in these coordinates; float64.

        Raises: CanonicalError, see `fold`.
        """
        carried = carry_back(self.spec, self.own, self.form, aligned)
        return {
            name: _from(own, self.back[name], carried.pop(name))
            if own.is_floating_point()
            else aligned[name]
            for name, own in self.own.items()
        }

    def settle(self, state: State) -> State:
        """A model that stands in these coordinates already, the gains folded that `own` has not."""
        return fold(self.spec, in_float64(state), self.settled) if self.settled else state


def coordinates_of(spec: Spec, anchor: State) -> Coordinates:
    """The coordinates of `anchor`. Raises: CanonicalError, see `fold`."""
    settled = unusable_gains(spec, anchor)
    own = in_float64(anchor)
    if settled:
        own = fold(spec, own, settled)
    form = canonical_form(spec, own)
    return Coordinates(spec, own, settled, form, carry_back(spec, own, form, form.state))


def unusable_gains(spec: Spec, anchor: State) -> dict[str, Tensor]:
    """Gains of `anchor` that stay folded, bool [n] by the norm's module: too small to divide by."""
    found = {n.module: small_gains(anchor[n.gain].double() + n.offset) for n in folding(spec)}
    return {module: small for module, small in found.items() if small.any()}


def carry_back(spec: Spec, own: State, form: Form, state: State) -> dict[str, Tensor]:
    """`state`, in canonical form, with the sizes, gains and biases that `own` has in its norms.

    form: that of `own`. What centring took away is not put back.
    """
    undone = apply_maps(spec, state, {s: torch.linalg.inv(m) for s, m in form.maps.items()})
    undone = scale_units(spec, undone, {s: 1 / factor for s, factor in form.units.items()})
    undone = scale_inputs(spec, undone, {m: 1 / factor for m, factor in form.inputs.items()})
    return _unfold_norms(spec, undone, own)


def _unfold_norms(spec: Spec, state: State, own: State) -> dict[str, Tensor]:
    """`state` with gains of 1 given the gains and biases of `own`, and its readers the rest."""
    unfolded = dict(state)
    for norm in folding(spec):
        gain, bias = own[norm.gain] + norm.offset, own.get(norm.bias)
        carried = is_carried(norm, state)
        for reader in norm.readers:
            name = weight_of(reader, unfolded)
            axis = axis_of(spec, name, norm.space)
            unfolded[name] = unfolded[name] / along(gain, axis, unfolded[name].ndim)
            if bias is not None and carried:
                shift = torch.tensordot(unfolded[name], bias, dims=([axis], [0]))
                unfolded[f"{reader}.bias"] = unfolded[f"{reader}.bias"] - shift
        unfolded[norm.gain] = own[norm.gain]
        if bias is not None:
            unfolded[norm.bias] = bias if carried else state[norm.bias] * gain
    return unfolded


def _from(own: Tensor, back: Tensor, carried: Tensor) -> Tensor:
    """`own` plus the difference of `carried` and `back`, but for what is rounding."""
    size = (
        torch.maximum(own.abs().amax(), carried.abs().amax()) if own.numel() else own.new_zeros(())
    )
    same = (carried - back).abs() <= ROUNDING * size
    # What `own` has and its form has not; without its own rounding, so that exact values stay so.
    kept = own - back
    kept = torch.where(kept.abs() <= ROUNDING * size, 0.0, kept)
    return torch.where(same, own, carried + kept)
