"""Proving a spec: what it calls a symmetry must leave the model's function alone.

Free spaces are permuted; where spaces may be scaled, flipped, rotated or mapped, the model is
brought into canonical form and every one of them is.

In float64, on shaken weights or on the weights at hand: a wrong line moves the outputs by parts
of their own size, a right one by rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from hubmerge.errors import FamilyError, LawError, SpecError
from hubmerge.specs.bind import bind_config
from hubmerge.specs.family import named
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.answers import answers, floating
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import apply_maps, random_symmetry, transform
from hubmerge.symmetry.in_double import in_double
from hubmerge.symmetry.permutation import Permutation, State, permute, random_permutation
from hubmerge.symmetry.unit_scales import random_scales

SEED = 0
"""Set before every forward, so that those which draw at random draw the same."""

TOLERANCE = 1e-9
"""Largest deviation, relative to the largest output, that counts as rounding in float64."""


@dataclass(frozen=True)
class Proof:
    """What was proved: the spaces, and how far the outputs moved at most."""

    spec: Spec
    deviation: float
    elements: int


def spec_of(model: PreTrainedModel) -> Spec:
    """The spec of a loaded model.

    Raises: FamilyError; SpecError, also where the spec takes a buffer for a parameter, which
    matching would listen to, or the other way round.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    spec = bind_config(named(model.config, type(model)), shapes)
    buffers = {name for name, _ in model.named_buffers()} & set(shapes)
    if odd := sorted(buffers ^ spec.buffers):
        kinds = ("param", "buffer") if odd[0] in buffers else ("buffer", "param")
        raise SpecError(
            f"{odd[0]} {list(shapes[odd[0]])} stands under [{kinds[0]}]",
            found=f"it is a {'buffer' if odd[0] in buffers else 'parameter'} of the model"
            + (f", as are {len(odd) - 1} more" if len(odd) > 1 else ""),
            source=spec.source,
            hint=f"move its line to [{kinds[1]}]",
        )
    return spec


def outputs(
    model: nn.Module, state: State, inputs: Mapping[str, Tensor], *, every: bool = False
) -> Tensor:
    """What `model` answers with the tensors of `state` in place of its own.

    Its `answers`, or `every` floating tensor of its output; several in one row. In float64
    throughout, where those are: what a model takes down to float32 by itself, as most RMSNorms do,
    stays in float64.
    Raises: FamilyError, if the answer holds no floating tensor.
    """
    precise = any(value.dtype == torch.float64 for value in state.values())
    with (
        torch.random.fork_rng(devices=[]),
        torch.inference_mode(),
        in_double(model) if precise else nullcontext(),
    ):
        torch.manual_seed(SEED)
        call = torch.func.functional_call
        answer = call(model, dict(state), (), dict(inputs), tie_weights=False)
    found = list(floating(answer)) if every else answers(answer)
    if not found:
        raise FamilyError(
            f"what a {type(model).__name__} answers cannot be compared",
            found=f"a {type(answer).__name__} without floating tensors",
        )
    return found[0] if len(found) == 1 else torch.cat([each.flatten() for each in found])


LEAST_SIZE = 1e-6
"""Outputs below it are as good as 0, such as those of a head that was never trained: what rounding
adds to them is no share of their size."""


def deviation(reference: Tensor, moved: Tensor) -> float:
    """Largest difference relative to the largest reference value, or to `LEAST_SIZE` of smaller
    ones; inf if not finite.
    """
    scale = reference.abs().max().clamp_min(LEAST_SIZE)
    ratio = float((moved - reference).abs().max() / scale)
    return ratio if ratio == ratio else float("inf")


def prove(
    model: nn.Module,
    spec: Spec,
    inputs: Mapping[str, Tensor],
    *,
    elements: int = 2,
    seed: int = 0,
    mapped: bool = True,
) -> Proof:
    """Applies random elements of every free space to `model` and compares its outputs.

    model: in float64 and eval mode. inputs: a probe batch in float64. mapped: prove the canonical
    form, scales, signs, rotations and linear maps as well, not only permutations.
    Raises: LawError, naming the space that breaks the function; CanonicalError.
    """
    state = model.state_dict()
    reference = outputs(model, state, inputs)
    worst = 0.0
    for number in range(elements):
        element = _moving(random_permutation(spec, seed + number))
        moved = permute(spec, state, element)
        _refuse_torn(model, spec, moved)
        worst = max(worst, deviation(reference, outputs(model, moved, inputs)))
    if worst > TOLERANCE:
        raise _broken(model, spec, state, reference, inputs, seed, worst)
    if mapped and spec.scales:
        worst = max(worst, _prove_scales(model, spec, state, reference, inputs, elements, seed))
    if mapped and spec.has_form:
        worst = max(worst, _prove_maps(model, spec, state, reference, inputs, elements, seed))
    return Proof(spec, worst, elements)


def _prove_scales(
    model: nn.Module,
    spec: Spec,
    state: State,
    reference: Tensor,
    inputs: Mapping[str, Tensor],
    elements: int,
    seed: int,
) -> float:
    """How far random scales of units, and of what enters batch norms, move the outputs at most."""
    worst = 0.0
    for number in range(elements):
        drawn, moved = [*random_scales(spec, seed + number)], state
        for name, factors, scale in drawn:
            moved = scale(spec, moved, {name: factors})
        worst = max(worst, deviation(reference, outputs(model, moved, inputs)))
        if worst > TOLERANCE:
            alone = {
                name: deviation(
                    reference, outputs(model, scale(spec, state, {name: factors}), inputs)
                )
                for name, factors, scale in drawn
            }
            raise LawError(
                f"scaling units of this {spec.family} model moves its outputs by {worst:.1e} of "
                "their size",
                found=f"spaces and norms that do: {_guilty(alone)}",
                source=spec.source,
                hint="is a prime missing where the space is read, a norm under [behind], or "
                "batchnorm_eps another? Does anything but ReLU stand in between?",
            )
    return worst


def _prove_maps(
    model: nn.Module,
    spec: Spec,
    state: State,
    reference: Tensor,
    inputs: Mapping[str, Tensor],
    elements: int,
    seed: int,
) -> float:
    """How far the canonical form and random elements on it move the outputs at most."""
    form = canonical(spec, state)
    _refuse_torn(model, spec, form)
    worst = deviation(reference, outputs(model, form, inputs))
    if worst > TOLERANCE:
        raise LawError(
            f"the canonical form of this {spec.family} model moves its outputs by {worst:.1e} of "
            "their size",
            source=spec.source,
            hint="a norm or one of its readers is missing under [layernorm] or [rmsnorm], or "
            "something reads the space without a norm",
        )
    for number in range(elements):
        element = random_symmetry(spec, seed + number)
        there = transform(spec, form, element)
        _refuse_torn(model, spec, there)
        moved = deviation(reference, outputs(model, there, inputs))
        if moved > TOLERANCE:
            alone = {
                space: deviation(
                    reference,
                    outputs(model, apply_maps(spec, form, {space: matrix}), inputs),
                )
                for space, matrix in element.maps.items()
            }
            raise LawError(
                f"mapping this {spec.family} model moves its outputs by {moved:.1e} of their size",
                found=f"spaces that do: {_guilty(alone)}",
                source=spec.source,
                hint="is a prime missing, or does the model do more between the two sides "
                "(rotary positions, norms of queries and keys) than the space allows?",
            )
        worst = max(worst, moved)
    return worst


def _refuse_torn(model: nn.Module, spec: Spec, state: State) -> None:
    """Raises: LawError, if two names of one tensor of `model` are two tensors in `state`."""
    for name, other in (getattr(model, "all_tied_weights_keys", None) or {}).items():
        if name in state and other in state and not torch.equal(state[name], state[other]):
            raise LawError(
                f"a symmetry of this {spec.family} model makes two tensors of one",
                found=f"{name} and {other}, which the model ties",
                source=spec.source,
                hint=f'name them under [tied]: "{name}" = "{other}"; and give them the same line',
            )


def _guilty(alone: Mapping[str, float]) -> str:
    guilty = [name for name, moved in alone.items() if moved > TOLERANCE]
    return ", ".join(f"{name} ({alone[name]:.1e})" for name in guilty[:6]) or "only in combination"


def _moving(permutation: Permutation) -> dict[str, Tensor]:
    """`permutation`, shifted by one where it happens to leave a space (or an inside) alone."""
    return {
        name: torch.where(
            (index == torch.arange(index.shape[-1])).all(-1, keepdim=True), index.roll(1, -1), index
        )
        for name, index in permutation.items()
    }


def _broken(
    model: nn.Module,
    spec: Spec,
    state: State,
    reference: Tensor,
    inputs: Mapping[str, Tensor],
    seed: int,
    worst: float,
) -> LawError:
    element = _moving(random_permutation(spec, seed))
    alone = {
        name: deviation(reference, outputs(model, permute(spec, state, {name: index}), inputs))
        for name, index in element.items()
    }
    return LawError(
        f"permuting this {spec.family} model moves its outputs by {worst:.1e} of their size",
        found=f"spaces that do: {_guilty(alone)}",
        source=spec.source,
        hint="a tensor that these spaces touch has a wrong line, or the model does something "
        "its family does not",
    )
