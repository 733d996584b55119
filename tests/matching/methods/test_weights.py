"""Coordinate descent on the weights, and matches as files, text and JSON."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.matching import find_matcher, load_match, save_match
from hubmerge.matching.match_files import MAP, SUMMARY, TENSORS
from hubmerge.matching.methods.descent import match_descent
from hubmerge.matching.methods.weights import match_weights
from hubmerge.matching.text import match_json, match_text
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import identity, permute, random_permutation
from tests.helpers.tiny import generic


def inner_product(a, b, spec):
    return sum(float((a[t] * b[t]).sum()) for t in spec.tensors if t not in spec.buffers)


@pytest.mark.parametrize("method", [match_weights, match_descent])
@pytest.mark.parametrize("name", ["vit", "resnet-basic", "mlp_head-layer"])
def test_it_raises_the_inner_product_and_no_single_space_raises_it_further(name, method):
    a, b = generic(name, 0).state_dict(), generic(name, 1).state_dict()
    spec = spec_of(generic(name)).permutations_only
    match = method(spec, a, b)
    reached = inner_product(a, match.apply(b), spec)
    assert reached > inner_product(a, b, spec)
    for seed in range(5):
        for space, index in random_permutation(spec, seed).items():
            other = permute(spec, b, {**match.permutation, space: index})
            assert inner_product(a, other, spec) <= reached + 1e-9


def test_frank_wolfe_stops_by_itself_before_its_steps_run_out():
    """Stopped early it would round a mixture; more steps than it wants change nothing."""
    a, b = generic("resnet-basic", 0).state_dict(), generic("resnet-basic", 1).state_dict()
    spec = spec_of(generic("resnet-basic"))
    few, default, many = (match_weights(spec, a, b, steps=n).permutation for n in (0, 100, 400))
    assert all(torch.equal(default[s], many[s]) for s in default)
    assert any(not torch.equal(few[s], default[s]) for s in default)


def test_buffers_say_nothing():
    a, b = (dict(generic("resnet-basic", seed).state_dict()) for seed in (0, 1))
    spec = spec_of(generic("resnet-basic"))
    before = match_weights(spec, a, b)
    for tensor in spec.buffers:
        b[tensor] = torch.randn(b[tensor].shape).to(b[tensor].dtype)
    after = match_weights(spec, a, b)
    assert all(torch.equal(before.permutation[s], after.permutation[s]) for s in before.permutation)


def test_it_says_when_it_ran_out_of_sweeps():
    a, b = generic("vit", 0).state_dict(), generic("vit", 1).state_dict()
    match = match_descent(spec_of(generic("vit")), a, b, sweeps=1)
    assert match.outcome == "out of sweeps: 1 were not enough, raise `sweeps`"


@pytest.fixture(scope="module")
def match():
    a, b = generic("vit", 0).state_dict(), generic("vit", 1).state_dict()
    return match_weights(spec_of(generic("vit")).permutations_only, a, b)


def test_a_match_comes_back_from_its_files(match, tmp_path):
    assert [path.name for path in save_match(match, tmp_path)] == [TENSORS, SUMMARY]
    for path in (tmp_path, tmp_path / TENSORS):
        again = load_match(path, match.spec)
        assert again.spaces == match.spaces
        assert (again.method, again.outcome) == (match.method, match.outcome)
        assert all(torch.equal(again.permutation[s], i) for s, i in match.permutation.items())
    assert json.loads((tmp_path / SUMMARY).read_text()) == json.loads(match_json(match))


def test_the_same_match_gives_the_same_bytes(match, tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        save_match(match, folder)
    assert (first / TENSORS).read_bytes() == (second / TENSORS).read_bytes()
    assert (first / SUMMARY).read_bytes() == (second / SUMMARY).read_bytes()


def test_text_has_a_line_per_space(match):
    lines = match_text(match).splitlines()
    assert "vit, matched by weights: converged" in lines[0]
    for space, line in zip(match.spaces, lines[3:], strict=True):
        assert line.split()[:3] == [space.space, str(space.size), str(space.moved)]


def damaged(folder, change, metadata=True):
    tensors = load_file(folder / TENSORS)
    change(tensors)
    with safe_open(folder / TENSORS, "pt") as opened:
        said = opened.metadata()
    save_file(tensors, folder / TENSORS, metadata=said if metadata else None)


@pytest.mark.parametrize(
    ("change", "quoted"),
    [
        (lambda t: t.pop("resid"), "is an alignment of other models"),
        (lambda t: t.update(extra=t["resid"].clone()), "only one side has: extra"),
        (lambda t: t["resid"].fill_(0), "holds no permutation of resid"),
        (lambda t: t.update(resid=t["resid"].double()), "torch.float64 [16], the space has [16]"),
        (lambda t: t.update(resid=t["resid"][:8].clone()), "[8], the space has [16]"),
    ],
)
def test_files_of_other_models_are_refused(match, tmp_path, change, quoted):
    save_match(match, tmp_path)
    damaged(tmp_path, change)
    with pytest.raises(RecipeError) as refused:
        load_match(tmp_path, match.spec)
    assert quoted in str(refused.value)
    assert TENSORS in str(refused.value)


@pytest.fixture(scope="module")
def turned():
    a, b = generic("llama", 0).state_dict(), generic("llama", 1).state_dict()
    return match_weights(spec_of(generic("llama")), a, b, steps=1, sweeps=1)


def test_maps_come_back_from_their_files(turned, tmp_path):
    save_match(turned, tmp_path)
    again = load_match(tmp_path, turned.spec)
    assert again.maps.keys() == turned.spec.mapped_spaces().keys()
    assert all(torch.equal(again.maps[s], matrix) for s, matrix in turned.maps.items())
    assert again.spaces == turned.spaces


def general(matrix):
    """Near by, invertible, and nothing that commutes with rotary positions."""
    return matrix + 0.01 * torch.ones_like(matrix)


@pytest.mark.parametrize(
    ("space", "change"),
    [
        ("resid", general),
        ("model.layers.0.rot", general),
        ("model.layers.0.rot", lambda m: m.roll(1, -1)),
        ("model.layers.0.rot", torch.zeros_like),
        ("model.layers.1.vo", torch.zeros_like),
    ],
)
def test_a_map_that_its_space_does_not_allow_is_refused(turned, tmp_path, space, change):
    save_match(turned, tmp_path)
    damaged(tmp_path, lambda t: t.update({MAP + space: change(t[MAP + space])}))
    with pytest.raises(RecipeError) as refused:
        load_match(tmp_path, turned.spec)
    assert f"holds no map of {space}" in str(refused.value)
    assert f"a {turned.spec.spaces[space].may} map" in str(refused.value)


def test_files_that_are_no_alignment_are_refused(match, tmp_path):
    with pytest.raises(NotFoundError, match="there is no alignment"):
        load_match(tmp_path, match.spec)
    (tmp_path / TENSORS).write_bytes(b"nothing of the kind")
    with pytest.raises(RecipeError, match="is no alignment"):
        load_match(tmp_path, match.spec)
    save_match(match, tmp_path)
    damaged(tmp_path, lambda t: None, metadata=False)
    with pytest.raises(RecipeError, match="a file that hubmerge did not write"):
        load_match(tmp_path, match.spec)
    save_file(identity(match.spec), tmp_path / TENSORS, metadata={"hubmerge": "{}"})
    with pytest.raises(RecipeError, match="another version"):
        load_match(tmp_path, match.spec)


def test_an_unknown_matcher_is_refused_with_the_names_there_are():
    with pytest.raises(RecipeError, match="'wieghts'") as refused:
        find_matcher("wieghts")
    assert "weights" in (refused.value.found or "")
    assert "activations" in (refused.value.found or "")
