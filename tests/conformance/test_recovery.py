"""B is a random symmetry of A, plus noise: matching must find exactly that symmetry."""

from __future__ import annotations

import copy

import pytest
import torch

from hubmerge.matching import find_matcher, matchers, measure_moments
from hubmerge.matching.activations import mean_correlations
from hubmerge.matching.registry import NOTHING
from hubmerge.spec import invert, permute, random_permutation
from hubmerge.spec.canonical import canonical
from hubmerge.spec.laws import spec_of
from hubmerge.spec.spec import LINEAR
from hubmerge.spec.symmetry import random_symmetry, transform
from hubmerge.workers import Workers
from tests.conformance.tiny import TINY, fresh, generic, probe_batches

MAPPED = [n for n in TINY if LINEAR in spec_of(generic(n)).mapped_spaces().values()]
every_model = pytest.mark.parametrize("name", TINY)
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def workers():
    return Workers(threads=1)


@every_model
@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("seed", SEEDS)
def test_weight_matching_recovers_a_planted_symmetry(name, noise, seed):
    assert_recovers("weights", generic(name, seed), seed, noise)


@every_model
@pytest.mark.parametrize("method", [m.name for m in matchers().values() if m.looks_at == NOTHING])
def test_so_does_every_matcher_that_needs_no_data(name, method):
    assert_recovers(method, generic(name, 5), 5, noise=0.3)


@every_model
@pytest.mark.parametrize("seed", SEEDS)
def test_and_that_of_a_model_just_initialised(name, seed):
    """Its biases are all 0 and its gains all 1, so that only the matrices can tell units apart."""
    assert_recovers("weights", fresh(name, seed), seed, noise=0.0)


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


@pytest.mark.parametrize("name", MAPPED)
@pytest.mark.parametrize("seed", SEEDS)
def test_activation_matching_undoes_rotations_and_linear_maps(name, seed, workers):
    """A random symmetry of every kind, undone: both models end up as the same tensors."""
    model = generic(name, seed)
    spec = spec_of(model)
    form = canonical(spec, model.state_dict())
    planted = transform(spec, form, random_symmetry(spec, seed + 100))
    other = copy.deepcopy(model)
    other.load_state_dict(planted)
    moments = measure_moments(spec, model, other, probe_batches(model), workers)
    state = model.state_dict()
    found = find_matcher("activations").function(spec, state, planted, moments=moments)
    assert {space.kind for space in found.spaces} == {"permute", "rotate", "linear"}
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
    match = find_matcher("weights").function(spec, model.state_dict(), planted)
    restored = match.apply(planted)
    assert all(torch.equal(restored[t], value) for t, value in model.state_dict().items())
    for space in match.spaces:
        assert space.correlation == pytest.approx(1.0)
        assert space.gain >= 0


def plant(model, seed, noise):
    """A random symmetry of `model`: spec, the element, the permuted tensors plus noise.

    noise: in standard deviations of each parameter.
    """
    spec = spec_of(model).unscaled
    element = random_permutation(spec, seed + 100)
    moved = permute(spec, model.state_dict(), element)
    generator = torch.Generator().manual_seed(seed)

    def noisy(value):
        spread = value.std() if value.numel() > 1 else 0.0
        drawn = torch.randn(value.shape, generator=generator, dtype=value.dtype)
        return value + noise * spread * drawn

    return spec, element, {t: v if t in spec.buffers else noisy(v) for t, v in moved.items()}


def assert_recovers(method, model, seed, noise):
    spec, element, planted = plant(model, seed, noise)
    found = find_matcher(method).function(spec, model.state_dict(), planted, seed=seed)
    for space, index in invert(spec, element).items():
        wrong = int((found.permutation[space] != index).sum())
        assert wrong == 0, f"{space}: {wrong} of {index.numel()} units are wrong"
    assert found.outcome.startswith("converged")
