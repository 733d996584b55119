"""B is a random symmetry of A, plus noise: matching must find exactly that symmetry."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import (
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from hubmerge.matching import find_matcher, matchers, measure_moments
from hubmerge.matching.methods.activations import mean_correlations
from hubmerge.matching.registry import NOTHING
from hubmerge.matching.solvers.coordinate_descent import descend
from hubmerge.matching.solvers.frank_wolfe import relax
from hubmerge.matching.solvers.relaxed import by_module
from hubmerge.models import shaken
from hubmerge.specs.spec import LINEAR
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import random_symmetry, transform
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import invert, permute, random_permutation
from hubmerge.symmetry.unit_scales import level
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import TINY, fresh, generic, probe_batches

every_model = pytest.mark.parametrize("name", TINY)
MAPPED = [n for n in TINY if LINEAR in spec_of(generic(n)).mapped_spaces().values()]
every_mapped = pytest.mark.parametrize("name", MAPPED)
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def workers():
    return Workers(threads=1)


@pytest.mark.crossed
@every_model
@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("seed", SEEDS)
def test_weight_matching_recovers_a_planted_symmetry(name, noise, seed):
    assert_recovers("weights", generic(name, seed), seed, noise)


@pytest.mark.crossed
@every_model
@pytest.mark.parametrize("method", [m.name for m in matchers().values() if m.looks_at == NOTHING])
def test_so_does_every_matcher_that_needs_no_data(name, method):
    assert_recovers(method, generic(name, 5), 5, noise=0.3)


@pytest.mark.crossed
@every_model
@pytest.mark.parametrize("seed", SEEDS)
def test_and_that_of_a_model_just_initialised(name, seed):
    """Its biases are all 0 and its gains all 1, so that only the matrices can tell units apart."""
    assert_recovers("weights", fresh(name, seed), seed, noise=0.0)


@pytest.mark.crossed
@every_model
@pytest.mark.parametrize("seed", SEEDS)
def test_activation_matching_recovers_all_units_that_ever_vary(name, seed, workers):
    """Units a ReLU keeps silent on every image cannot be told apart, and need not be."""
    model = generic(name, seed)
    spec, element, planted = plant(model, seed, noise=0.0)
    spec = spec.permutations_only
    other = copy.deepcopy(model)
    other.load_state_dict(planted)
    moments = measure_moments(spec, model, other, probe_batches(model), workers)
    found = find_matcher("activations").function(spec, model.state_dict(), planted, moments=moments)
    similarities = mean_correlations(spec, moments)
    wanted = invert(spec, element)
    for space, index in found.permutation.items():
        wrong = index != wanted[space]
        if wrong.any():
            assert not similarities[space][wrong].any(), space
    right = sum(int((found.permutation[s] == wanted[s]).sum()) for s in wanted)
    assert right > 0.8 * sum(index.numel() for index in wanted.values())


@pytest.mark.crossed
@every_mapped
@pytest.mark.parametrize("seed", SEEDS)
def test_activation_matching_undoes_rotations_and_linear_maps(name, seed, workers):
    """A random symmetry of every kind, undone: both models end up as the same tensors."""
    model = copy.deepcopy(generic(name, seed))
    spec = spec_of(model)
    state = level(spec, model.state_dict())
    model.load_state_dict(state)
    form = canonical(spec, state)
    planted = transform(spec, form, random_symmetry(spec, seed + 100))
    other = copy.deepcopy(model)
    other.load_state_dict(planted)
    moments = measure_moments(spec, model, other, probe_batches(model), workers)
    found = find_matcher("activations").function(spec, state, planted, moments=moments)
    kinds = {name: spec.spaces[name].may for name in spec.free_spaces()}
    assert {space.space: space.kind for space in found.spaces} == kinds
    wanted, moved = found.anchored(state), found.apply(planted)
    for tensor in wanted:
        torch.testing.assert_close(moved[tensor], wanted[tensor], rtol=1e-5, atol=1e-6, msg=tensor)
    for space in found.spaces:
        assert 0.05 < space.correlation < 1 + 1e-9
        if space.kind == "linear":
            assert space.correlation == pytest.approx(1, abs=1e-6)
        assert space.gain >= -1e-9


@every_model
def test_a_recovered_symmetry_restores_the_weights(name):
    model = generic(name)
    spec, _, planted = plant(model, seed=4, noise=0.0)
    spec = spec.permutations_only
    match = find_matcher("weights").function(spec, model.state_dict(), planted)
    restored = match.apply(planted)
    assert all(torch.equal(restored[t], value) for t, value in model.state_dict().items())
    for space in match.spaces:
        assert space.correlation == pytest.approx(1.0)
        assert space.gain >= 0


@pytest.mark.crossed
@every_mapped
@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("seed", SEEDS)
def test_weight_matching_undoes_rotations_and_linear_maps(name, seed, noise):
    """Heads and units exactly; rotations and maps to rounding, or as near as noise allows."""
    model = generic(name, seed)
    spec = spec_of(model)
    form = canonical(spec, model.state_dict())
    element = random_symmetry(spec, seed + 100)
    moved = transform(spec, form, element)
    other = noisy(spec, moved, seed, noise)
    found = find_matcher("weights").function(spec, form, other, seed=seed)
    wanted = invert(spec, element.permutation)
    for space, index in found.permutation.items():
        assert torch.equal(index, wanted[space]), space
    if "resid" in element.maps:
        turned = found.maps["resid"] @ element.maps["resid"]
        assert turned.diagonal().mean() > (0.95 if noise else 1 - 1e-8)
    if not noise:
        wanted_form, restored = found.anchored(form), found.apply(moved)
        for tensor, value in wanted_form.items():  # the search multiplies in float32
            assert (restored[tensor] - value).abs().max() <= 5e-4 * value.abs().max(), tensor
    for space in found.spaces:
        assert space.correlation > (0.8 if noise else 1 - 1e-6), space.space


def wide_resnet():
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[64, 96], depths=[2, 2], layer_type="basic", num_labels=3
    )
    return ResNetForImageClassification(config)


def wide_vit():
    return ViTForImageClassification(
        ViTConfig(
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=128,
            image_size=8,
            patch_size=4,
            num_labels=3,
        )
    )


@pytest.mark.parametrize(
    ("build", "noise"), [(wide_resnet, 4.0), pytest.param(wide_vit, 1.75, marks=pytest.mark.slow)]
)
def test_under_heavy_noise_frank_wolfe_recovers_what_coordinate_descent_cannot(build, noise):
    """Permutations of a ResNet; rotations, maps, heads and units of a ViT."""
    shares, ends = {True: 0.0, False: 0.0}, []
    for seed in range(3):
        torch.manual_seed(seed)
        model = shaken(build().double().eval(), seed)
        spec = spec_of(model).unscaled
        form = canonical(spec, model.state_dict())
        element = random_symmetry(spec, seed + 9)
        planted = noisy(spec, transform(spec, form, element), seed, noise)
        other = canonical(spec, planted)
        target = by_module(spec, form, other) if spec.mapped_spaces() else form
        for start in (relax(spec, target, other)[0], None):
            found, _ = descend(spec, target, other, start=start, sweeps=20)
            shares[start is not None] += share_recovered(spec, element, found) / 3
            ends.append(agreement(spec, target, transform(spec, other, found)))
        assert ends[-2] > ends[-1] - 1e-3 * abs(ends[-1])
    assert shares[True] > shares[False] + 0.3
    assert shares[True] > 0.6


def share_recovered(spec, element, found):
    """Of the units of all spaces that are permuted."""
    wanted = invert(spec, element.permutation)
    spaces = [space for space in wanted if space not in found.maps]
    right = sum(int((found.permutation[s] == wanted[s]).sum()) for s in spaces)
    return right / sum(wanted[s].numel() for s in spaces)


def agreement(spec, anchor, moved):
    """Inner product of all parameters."""
    return sum(float((anchor[t] * moved[t]).sum()) for t in spec.tensors if t not in spec.buffers)


def plant(model, seed, noise):
    """A random symmetry of `model`: spec, the element, the permuted tensors plus noise.

    noise: in standard deviations of each parameter.
    """
    spec = spec_of(model).unscaled
    element = random_permutation(spec, seed + 100)
    moved = permute(spec, model.state_dict(), element)
    return spec, element, noisy(spec, moved, seed, noise)


def noisy(spec, state, seed, noise):
    """`state` with noise on all parameters, in standard deviations of each."""
    generator = torch.Generator().manual_seed(seed)

    def one(value):
        spread = value.std() if value.numel() > 1 else 0.0
        drawn = torch.randn(value.shape, generator=generator, dtype=value.dtype)
        return value + noise * spread * drawn

    return {t: v if t in spec.buffers else one(v) for t, v in state.items()}


def assert_recovers(method, model, seed, noise):
    spec, element, planted = plant(model, seed, noise)
    spec = spec.permutations_only
    found = find_matcher(method).function(spec, model.state_dict(), planted, seed=seed)
    for space, index in invert(spec, element).items():
        wrong = int((found.permutation[space] != index).sum())
        assert wrong == 0, f"{space}: {wrong} of {index.numel()} units are wrong"
    assert found.outcome.startswith("converged")
