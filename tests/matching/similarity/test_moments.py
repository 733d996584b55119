"""Streamed correlations are the correlations, whatever the batches, threads or scales."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hubmerge.errors import SpecError
from hubmerge.matching import find_matcher, measure_moments
from hubmerge.matching.methods.activations import mean_correlations
from hubmerge.matching.similarity.kept_moments import KeptMoments
from hubmerge.matching.similarity.moments import Moments, at_once, watching
from hubmerge.specs.bind import bind
from hubmerge.symmetry.laws import outputs, spec_of
from hubmerge.symmetry.permutation import invert, permute, random_permutation
from hubmerge.utils.workers import Workers
from tests.helpers.families import family
from tests.helpers.tiny import ProbeBatch, generic, probe, probe_batches
from tests.specs.test_layouts import VGG, Vgg


def seen(model, spec, batches):
    """[observations, units] at every watch, over all batches."""
    passes = []
    for batch in batches:
        with watching(model, spec.watches) as units:
            outputs(model, model.state_dict(), batch.inputs)
            passes.append(units.take())
    return [
        torch.cat([one[k].movedim(w.axis, -1).flatten(0, -2) for one in passes]).numpy()
        for k, w in enumerate(spec.watches)
    ]


@pytest.mark.parametrize("name", ["vit", "resnet-basic", "mlp_head-none"])
def test_they_are_the_correlations_numpy_finds(name):
    a, b = generic(name, 0), generic(name, 1)
    spec, batches = spec_of(a).permutations_only, probe_batches(a)
    moments = measure_moments(spec, a, b, batches, Workers(threads=1))
    assert moments.images == 48
    for watch, ours, theirs in zip(
        spec.watches, seen(a, spec, batches), seen(b, spec, batches), strict=True
    ):
        n = ours.shape[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = np.nan_to_num(np.corrcoef(ours.T, theirs.T)[:n, n:])
        found = moments.correlations[watch].numpy()
        alive = np.outer(ours.std(0) > 1e-9, theirs.std(0) > 1e-9)
        np.testing.assert_allclose(found[alive], expected[alive], atol=1e-9)
        assert not found[~alive].any()


@pytest.mark.parametrize(("name", "mapped"), [("llama-tied-bias", False), ("vit", True)])
def test_no_limit_of_memory_changes_what_is_found(name, mapped):
    a, b = generic(name, 0), generic(name, 1)
    spec, batches = spec_of(a), probe_batches(a)
    spec = spec if mapped else spec.permutations_only
    found, free = {}, Workers(threads=1)
    tight = Workers(threads=1)
    tight.memory = 0
    for workers in (free, tight):
        moments = measure_moments(spec, a, b, batches, workers)
        states = (a.state_dict(), b.state_dict())
        found[workers] = (
            moments,
            find_matcher("activations").function(spec, *states, moments=moments),
        )
    assert isinstance(found[tight][0].joint, KeptMoments)
    assert not isinstance(found[free][0].joint, KeptMoments)
    assert len(at_once(spec, batches, 0)) == len(spec.watches) > 1
    for watch, joint in found[free][0].joint.items():
        same = found[tight][0].joint[watch]
        assert torch.equal(joint.covariance, same.covariance)
        assert (joint.own is None) == (same.own is None)
    one, other = found[free][1], found[tight][1]
    assert one.spaces == other.spaces
    assert all(torch.equal(one.permutation[k], other.permutation[k]) for k in one.permutation)
    assert all(torch.equal(one.maps[k], other.maps[k]) for k in one.maps)


def test_a_rotated_space_is_seen_as_its_norms_see_it():
    """Every token centred and of length 1, products about 0; heads with all their covariances."""
    a, b = generic("vit", 0), generic("vit", 1)
    spec, batches = spec_of(a), probe_batches(a)
    moments = measure_moments(spec, a, b, batches, Workers(threads=1))
    kinds = spec.mapped_spaces()
    for watch, ours, theirs in zip(
        spec.watches, seen(a, spec, batches), seen(b, spec, batches), strict=True
    ):
        joint = moments.joint[watch]
        found = {kinds.get(name) for name in watch.layout.names()}
        if "rotate" in found:
            ours, theirs = (x - x.mean(1, keepdims=True) for x in (ours, theirs))
            ours, theirs = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (ours, theirs))
            np.testing.assert_allclose(
                joint.product.numpy(), ours.T @ theirs / len(ours), atol=1e-9
            )
        elif "linear" in found:
            for own, units in zip(joint.own, (ours, theirs), strict=True):
                np.testing.assert_allclose(own.numpy(), np.cov(units.T, bias=True), atol=1e-9)
            for product, units in zip(joint.own_products, (ours, theirs), strict=True):
                np.testing.assert_allclose(product, units.T @ units / len(units), atol=1e-9)
        else:
            assert joint.own is None


def test_a_large_mean_cancels_nothing():
    """Features around 1000 with deviations around 1, in float32."""
    a, b = (copy.deepcopy(generic("mlp_head-none", seed)).float() for seed in (0, 1))
    for model in (a, b):
        model.layers[0].linear.bias.data += 1000
    spec = spec_of(a)
    batches = probe_batches(a, rows=64, dtype=torch.float32)
    moments = measure_moments(spec, a, b, batches, Workers(threads=1))
    exact = measure_moments(
        spec,
        copy.deepcopy(a).double(),
        copy.deepcopy(b).double(),
        [ProbeBatch({k: v.double() for k, v in batch.inputs.items()}) for batch in batches],
        Workers(threads=1),
    )
    for watch in spec.watches:
        gap = (moments.correlations[watch] - exact.correlations[watch]).abs().max()
        assert gap < 1e-3, watch


@pytest.mark.parametrize("name", ["vit", "resnet-bottleneck"])
def test_one_thread_and_two_give_the_same_bits(name):
    a, b = (copy.deepcopy(generic(name, seed)).float() for seed in (0, 1))
    spec, batches = spec_of(a), probe_batches(a, count=5, dtype=torch.float32)
    one, two = (
        measure_moments(spec, a, b, batches, Workers(threads=threads)) for threads in (1, 2)
    )
    for watch in spec.watches:
        assert torch.equal(one.correlations[watch], two.correlations[watch]), watch


@pytest.mark.parametrize(
    ("key", "text", "quoted"),
    [
        ("-> fcc", "* fc", ["-> fcc", "no such module", "did you mean 'fc'?"]),
        ("fc ->", "* * fc", ['"fc ->" as "* * fc", 9 units on axis 2', "a tensor [2, 9]"]),
        ("conv ->", "* chan * *", ["5 units on axis 1", "a tensor [2, 6, 5, 6]"]),
        ("idle ->", "* fc", ["the module was not run"]),
    ],
)
def test_a_watch_that_sees_something_else_is_refused(tmp_path, key, text, quoted):
    model = Vgg().double()
    model.idle = torch.nn.Identity()
    spec = bound_vgg(
        tmp_path, model, VGG.replace('"-> fc" = "* (chan h w)"', f'"{key}" = "{text}"')
    )
    batch = ProbeBatch({"x": torch.randn(2, 3, 7, 8).double()})
    with pytest.raises(SpecError) as refused:
        measure_moments(spec, model, model, [batch], Workers(threads=1))
    said = str(refused.value)
    for part in [*quoted, "specs/toy.toml"]:
        assert part in said, said


def test_flattened_channels_are_compared_pixel_by_pixel(tmp_path):
    """A space watched only where it is composed with pixels is recovered all the same."""
    torch.manual_seed(0)
    model = Vgg().double().eval()
    for layer in (model.point, model.fc):
        layer.bias.data += 2  # no unit is silent on every image
    text = VGG + '"conv ->" = "* first * *"\n"-> out" = "* fc"\n'
    spec = bound_vgg(tmp_path, model, text)
    element = random_permutation(spec, 2)
    other = copy.deepcopy(model)
    other.load_state_dict(permute(spec, model.state_dict(), element))
    batches = [ProbeBatch({"x": torch.randn(40, 3, 7, 8).double()}) for _ in range(2)]
    moments = measure_moments(spec, model, other, batches, Workers(threads=1))
    assert mean_correlations(spec, moments)["chan"].shape == (5, 5)
    found = find_matcher("activations").function(
        spec, model.state_dict(), other.state_dict(), moments=moments
    )
    for space, index in invert(spec, element).items():
        assert torch.equal(found.permutation[space], index), space


def test_activation_matching_needs_moments_and_watches(tmp_path):
    model = Vgg()
    spec = bound_vgg(tmp_path, model, VGG)
    match = find_matcher("activations").function
    with pytest.raises(ValueError, match="moments"):
        match(spec, {}, {})
    with pytest.raises(SpecError, match="first is watched nowhere") as refused:
        match(spec, {}, {}, moments=Moments({}, 0))
    assert "[watch]" in str(refused.value)


def bound_vgg(folder, model, text):
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    return bind(family(folder, text), SimpleNamespace(model_type="vgg"), shapes)


def test_models_are_left_without_hooks():
    model = generic("mlp_head-none")
    measure_moments(spec_of(model), model, model, probe_batches(model), Workers(threads=1))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    outputs(model, model.state_dict(), probe(model))
