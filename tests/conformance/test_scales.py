"""What holds for every family whose units may be scaled, or their signs flipped."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from hubmerge.errors import LawError, RecipeError
from hubmerge.matching import find_matcher, load_match, measure_moments, save_match
from hubmerge.models import shaken
from hubmerge.specs.spec import FLIP, PERMUTE, SCALE
from hubmerge.symmetry.element import random_symmetry, transform
from hubmerge.symmetry.laws import deviation, outputs, prove, spec_of
from hubmerge.symmetry.permutation import permute, random_permutation
from hubmerge.symmetry.unit_scales import level, random_scales
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import TINY, generic, probe, probe_batches

SCALED = [name for name in TINY if spec_of(generic(name)).scales]
BATCHED = [name for name in TINY if any(norm.batch for norm in spec_of(generic(name)).behind)]
FLIPPED = [name for name in TINY if FLIP in spec_of(generic(name)).mapped_spaces().values()]
every_scaled = pytest.mark.parametrize("name", SCALED)
every_flipped = pytest.mark.parametrize("name", FLIPPED)
EXACT = 1e-12


def scaled_at_random(spec, state, seed):
    for name, factors, scale in random_scales(spec, seed):
        state = scale(spec, state, {name: factors})
    return state


def close(left, right):
    assert left.keys() == right.keys()
    for key in left:
        torch.testing.assert_close(left[key], right[key], rtol=1e-7, atol=1e-9, msg=key)


def test_the_activation_function_decides():
    kinds = {name: set(spec_of(generic(name)).mapped_spaces().values()) for name in TINY}
    assert kinds["mlp_head-tanh"] == kinds["mlp_head-tanh-batch"] == {FLIP}
    assert spec_of(generic("mlp_head-none")).scaled_spaces() == ["layers.0.y", "layers.1.y"]
    assert not spec_of(generic("mlp_head-layer")).scales  # behind gelu nothing is free
    resnet = spec_of(generic("resnet-bottleneck"))
    assert set(resnet.scaled_spaces()) == set(resnet.free_spaces())


@pytest.mark.parametrize("kind", ["basic", "bottleneck"])
@pytest.mark.parametrize(
    ("act", "stream", "stem"),
    [
        ("relu", SCALE, SCALE),
        ("tanh", FLIP, PERMUTE),  # no sign passes the pooling behind the stem
        ("gelu", PERMUTE, PERMUTE),
        ("silu", PERMUTE, PERMUTE),
    ],
)
def test_a_resnet_is_free_as_its_own_activation_functions_allow(kind, act, stream, stem):
    """The configuration's stands behind the stem and every sum; within a block it is ReLU."""
    torch.manual_seed(0)
    built = TINY["resnet-basic"].build(layer_type=kind, depths=[2, 1], hidden_act=act)
    model = shaken(built.double().eval())
    spec, inside = spec_of(model), {"mid", "narrow", "wide"}
    found = {name: space.may for name, space in spec.spaces.items() if not space.fixed}
    assert found.pop("stem") == stem
    assert {found.pop(n) for n in list(found) if n.rpartition(".")[2] in inside} == {SCALE}
    assert set(found.values()) == {stream}
    assert prove(model, spec, probe(model), elements=3).deviation < EXACT


@every_scaled
def test_random_scales_and_the_form_leave_the_function_alone(name):
    model = generic(name)
    spec, inputs, state = spec_of(model), probe(model), model.state_dict()
    reference = outputs(model, state, inputs)
    for seed in range(2):
        moved = scaled_at_random(spec, state, seed)
        assert deviation(reference, outputs(model, moved, inputs)) < EXACT
    form = level(spec, state)
    assert deviation(reference, outputs(model, form, inputs)) < EXACT
    assert any(not torch.allclose(form[key], state[key]) for key in state)


@every_scaled
def test_every_scale_matters(name):
    """Scaling only one of the tensors moves the outputs."""
    model = generic(name)
    spec, inputs, state = spec_of(model), probe(model), model.state_dict()
    reference = outputs(model, state, inputs)
    for key, factors, scale in random_scales(spec, 0):
        moved = scale(spec, state, {key: factors})
        changed = [t for t in state if not torch.equal(moved[t], state[t])]
        assert len(changed) > 1, key
        half = {**state, changed[0]: moved[changed[0]]}
        assert deviation(reference, outputs(model, half, inputs)) > 1e-6, key


@every_scaled
def test_a_form_forgets_every_scale_and_is_its_own(name):
    model = generic(name)
    spec, state = spec_of(model), model.state_dict()
    form = level(spec, state)
    close(level(spec, form), form)
    close(level(spec, scaled_at_random(spec, state, 3)), form)


@pytest.mark.crossed
@every_scaled
@pytest.mark.parametrize("method", ["weights", "descent", "activations"])
def test_a_scaled_and_permuted_copy_is_brought_back(name, method):
    model = generic(name, 1)
    spec = spec_of(model).unmapped
    state = model.state_dict()
    planted = scaled_at_random(spec, permute(spec, state, random_permutation(spec, 7)), 5)
    anchor, other = level(spec, state), level(spec, planted)
    moments = None
    if method == "activations":
        levelled, twin = copy.deepcopy(model), copy.deepcopy(model)
        levelled.load_state_dict(anchor)
        twin.load_state_dict(other)
        moments = measure_moments(spec, levelled, twin, probe_batches(model), Workers(threads=1))
    found = find_matcher(method).function(spec, anchor, other, moments=moments)
    moved, wanted = found.apply(planted), found.anchored(state)
    if method == "activations":  # units that are silent on all images cannot be told apart
        same = sum(int(torch.isclose(moved[t], wanted[t]).sum()) for t in wanted)
        assert same > 0.8 * sum(value.numel() for value in wanted.values())
    else:
        close(moved, wanted)
    if SCALE in {space.may for space in spec.spaces.values()}:
        assert SCALE in {space.kind for space in found.spaces}


@every_flipped
def test_signs_and_order_leave_the_function_alone(name):
    model = generic(name)
    spec, inputs, state = spec_of(model), probe(model), model.state_dict()
    reference = outputs(model, state, inputs)
    for seed in range(3):
        element = random_symmetry(spec, seed)
        assert any((matrix < 0).any() for matrix in element.maps.values())
        moved = transform(spec, state, element)
        assert deviation(reference, outputs(model, moved, inputs)) < EXACT


@pytest.mark.crossed
@every_flipped
@pytest.mark.parametrize("method", ["activations", "activations-weights", "activations-distance"])
def test_flipped_signs_are_recovered(name, method):
    model = generic(name, 2)
    spec = spec_of(model).unscaled
    state = model.state_dict()
    twin = copy.deepcopy(model)
    twin.load_state_dict(transform(spec, state, random_symmetry(spec, 9)))
    matcher = find_matcher(method)
    moments = matcher.observe(spec, model, twin, probe_batches(model), Workers(threads=1))
    found = matcher.function(spec, state, twin.state_dict(), moments=moments)
    restored, wanted = found.apply(twin.state_dict()), found.anchored(state)
    # units behind ReLU that are silent on all images cannot be told apart
    silent = {space.space for space in found.spaces if space.correlation < 0.999}
    for key in wanted:
        if silent.isdisjoint(spec.tensors[key].names()):
            torch.testing.assert_close(restored[key], wanted[key], rtol=1e-5, atol=1e-6, msg=key)
    flipped = [space for space in found.spaces if space.kind == FLIP]
    assert flipped
    assert silent.isdisjoint(space.space for space in flipped)
    assert all(space.correlation == pytest.approx(1) for space in flipped)
    assert all(space.gain > 0.5 for space in flipped)


@pytest.mark.parametrize("name", BATCHED)
def test_a_wrong_eps_is_found_out(name):
    model = generic(name)
    spec = spec_of(model)
    with pytest.raises(LawError, match="scaling units"):
        prove(model, replace(spec, batchnorm_eps=2e-5), probe(model))


@pytest.mark.parametrize("name", ["resnet-basic", "mlp_head-tanh-batch"])
def test_an_alignment_that_scales_or_flips_is_kept_whole(name, tmp_path):
    model = generic(name, 2)
    spec, state = spec_of(model), level(spec_of(model), model.state_dict())
    planted = transform(spec, state, random_symmetry(spec, 1))
    twin = copy.deepcopy(model)
    twin.load_state_dict(planted)
    moments = measure_moments(spec, model, twin, probe_batches(model), Workers(threads=1))
    found = find_matcher("activations").function(spec, state, planted, moments=moments)
    save_match(found, tmp_path)
    again = load_match(tmp_path, spec)
    assert again.spec.scales
    assert again.spaces == found.spaces
    close(again.apply(planted), found.apply(planted))
    with pytest.raises(RecipeError, match="was made with symmetry 'all'"):
        load_match(tmp_path, spec.unscaled)


def test_an_alignment_that_does_not_scale_is_taken_as_such(tmp_path):
    model = generic("resnet-basic")
    spec, state = spec_of(model), model.state_dict()
    save_match(find_matcher("weights").function(spec.unscaled, state, state), tmp_path)
    again = load_match(tmp_path, spec)
    assert not again.formed
    assert again.anchored(state) is state


def test_a_map_that_is_more_than_signs_is_refused(tmp_path):
    spec = spec_of(generic("mlp_head-tanh"))
    state = generic("mlp_head-tanh").state_dict()
    found = find_matcher("descent").function(spec.unflipped, state, state)
    for wrong in (
        2 * torch.eye(16),
        torch.ones(16, 16),
        torch.eye(16).roll(1, 0).index_fill(0, torch.tensor([0]), 0.0),
    ):
        maps = {"layers.0.y": wrong.double()}
        save_match(replace(found, spec=spec, maps=maps), tmp_path)
        with pytest.raises(RecipeError, match=r"no map of layers\.0\.y"):
            load_match(tmp_path, spec)


def test_a_forgotten_norm_or_prime_is_found_out():
    model = generic("resnet-basic")
    spec, inputs = spec_of(model), probe(model)
    with pytest.raises(LawError, match="scaling units"):
        prove(model, replace(spec, behind=spec.behind[1:]), inputs)
    model = generic("mlp_head-none")
    spec, inputs = spec_of(model), probe(model)
    classifier = spec.tensors["classifier.weight"]
    grids = [
        [replace(s, grids=tuple(replace(g, dual=False) for g in s.grids)) for s in row]
        for row in classifier.segments
    ]
    plain = replace(classifier, segments=tuple(map(tuple, grids)))
    tensors = {**spec.tensors, "classifier.weight": plain}
    with pytest.raises(LawError, match=r"scaling units(.|\n)*layers\.1\.y"):
        prove(model, replace(spec, tensors=tensors), inputs)
