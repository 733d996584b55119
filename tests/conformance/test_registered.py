"""What every registered matcher and repair owes, on every family; fusions: test_fusions.py."""

from __future__ import annotations

import copy
import re

import pytest
import torch

from hubmerge.fuse import find_fusion, fusions
from hubmerge.matching import find_matcher, learners, matchers
from hubmerge.matching.multi import multi_matchers
from hubmerge.matching.registry import NOTHING
from hubmerge.models.method_context import MethodContext
from hubmerge.pipeline.merge_path import MergePath
from hubmerge.repair import batch_norms, find_repair, repairs
from hubmerge.specs.spec import ROTARY, ROTATE
from hubmerge.symmetry.element import invert as undo
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import identity, invert, permute, random_permutation
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import TINY, generic, probe_batches

every_model = pytest.mark.parametrize("name", TINY)
every_matcher = pytest.mark.parametrize("method", matchers())
every_repair = pytest.mark.parametrize("method", repairs())


@pytest.fixture(scope="module")
def workers():
    return Workers(threads=1)


@pytest.mark.crossed
@every_model
@every_matcher
def test_matching_a_model_with_itself_moves_nothing_that_matters(name, method, workers):
    model = generic(name)
    match = matched(method, model, model, workers)
    if find_matcher(method).looks_at == NOTHING:  # units that never fire look alike
        assert_same(match.permutation, identity(match.spec))
        wanted, still = match.anchored(model.state_dict()), match.apply(model.state_dict())
        if match.maps:
            assert_close(still, wanted)
        else:
            assert_same(still, wanted)
    for space in match.spaces:
        assert space.gain == pytest.approx(0.0, abs=1e-6 if match.maps else 1e-9)


@pytest.mark.crossed
@every_model
@every_matcher
def test_swapping_the_models_inverts_the_match(name, method, workers):
    a = generic(name)
    b = permuted(a, 7)
    there, back = matched(method, a, b, workers), matched(method, b, a, workers)
    if find_matcher(method).looks_at == NOTHING:  # units that never fire look alike
        assert_same(back.permutation, invert(there.spec, there.permutation))
    if method == "weights":
        turned = [s for s in there.maps if there.spec.mapped_spaces()[s] == ROTATE]
        undone = undo(there.spec, there.symmetry).maps
        assert_close({s: back.maps[s] for s in turned}, {s: undone[s] for s in turned})
    for forth, home in zip(there.spaces, back.spaces, strict=True):
        assert home.correlation == pytest.approx(forth.correlation)


@pytest.mark.crossed
@every_model
@every_matcher
def test_matching_is_deterministic_and_leaves_its_inputs_alone(name, method, workers):
    a, b = generic(name, 0), generic(name, 1)
    before = [{t: v.clone() for t, v in model.state_dict().items()} for model in (a, b)]
    first, second = matched(method, a, b, workers, seed=3), matched(method, a, b, workers, seed=3)
    assert_same(first.permutation, second.permutation)
    assert first.spaces == second.spaces
    assert first.outcome == second.outcome
    for model, state in zip((a, b), before, strict=True):
        assert_same(model.state_dict(), state)


@pytest.mark.crossed
@every_model
@every_matcher
def test_a_match_names_every_free_space_and_gives_permutations_and_maps(name, method, workers):
    match = matched(method, generic(name, 0), generic(name, 1), workers)
    kinds = match.spec.mapped_spaces()
    orderless = {space for space in kinds if kinds[space] == ROTARY} - {*match.maps}
    named = [space for space in match.spec.free_spaces() if space not in orderless]
    assert [space.space for space in match.spaces] == named
    assert not orderless or not match.maps, "some are mapped, and others forgotten"
    assert match.permutation.keys() == match.spec.ordered_spaces().keys()
    for space in match.spaces:
        shape = match.spec.index_shape(space.space)
        still = torch.arange(shape[-1]).expand(shape)
        index = match.permutation.get(space.space, still)
        straight = torch.arange(index.shape[-1]).expand(index.shape)
        assert torch.equal(index.sort(-1).values, straight)
        assert tuple(index.shape) == shape
        assert space.size == index.numel()
        assert -1 <= space.correlation <= 1
        if space.space in match.maps:
            assert space.kind == match.spec.mapped_spaces()[space.space]
            assert match.maps[space.space].shape == (*index.shape, index.shape[-1])
            assert torch.equal(index, straight), "mapped, and reordered as well"
        else:
            assert space.kind == "permute"
            assert space.moved == int((index != straight).sum())


@pytest.mark.crossed
@every_model
@every_matcher
def test_matching_lines_two_strangers_up_better_than_chance(name, method, workers):
    """By the correlation it reports, or (what is refined on the weights) by their inner product."""
    a, b = generic(name, 0), generic(name, 1)
    match = matched(method, a, b, workers)
    correlated = sum(space.gain * space.size for space in match.spaces)
    anchor, as_given = (match.anchored(model.state_dict()) for model in (a, b))
    moved = match.apply(b.state_dict())
    parameters = [t for t in match.spec.tensors if t not in match.spec.buffers]
    gained = sum(float((anchor[t] * (moved[t] - as_given[t])).sum()) for t in parameters)
    assert correlated > 0 or ("weights" in match.outcome and gained > 0)


@pytest.mark.crossed
@every_model
@every_repair
def test_repairs_leave_the_ends_alone_and_keep_types(name, method, workers):
    a, b = (copy.deepcopy(generic(name, seed)).float() for seed in (0, 1))
    if method == "batchnorm" and not batch_norms(a):
        pytest.skip("no batch norm in this model")
    context = bench_for(name, workers)
    first, last = a.state_dict(), b.state_dict()
    kept = [{t: v.clone() for t, v in state.items()} for state in (first, last)]
    path = MergePath(find_repair(method), context, [first, last])
    assert_same(path.state(0.0), first)
    assert_same(path.state(1.0), {t: last[t] if floats(last[t]) else first[t] for t in last})
    average = find_fusion("average").function([first, last], [0.5, 0.5])
    repaired = path.state(0.5)
    assert repaired.keys() == average.keys()
    assert any(not torch.equal(repaired[t], average[t]) for t in repaired)
    for tensor, value in repaired.items():
        assert value.dtype == first[tensor].dtype, tensor
        assert value.shape == first[tensor].shape, tensor
        assert torch.isfinite(value).all(), tensor
    assert_same(first, kept[0])
    assert_same(last, kept[1])
    assert_same(path.state(0.5), repaired)


@pytest.mark.parametrize(
    "registered",
    [
        *matchers().values(),
        *learners().values(),
        *multi_matchers().values(),
        *fusions().values(),
        *repairs().values(),
    ],
    ids=lambda registered: registered.name,
)
def test_everything_registered_says_what_it_is_and_where_it_is_from(registered):
    assert registered.summary.endswith(".")
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|^https://\S+$", registered.source)


def matched(method, anchor, other, workers, seed=0):
    spec, moments = spec_of(anchor).unscaled, None
    found = find_matcher(method)
    if found.looks_at != NOTHING:
        moments = found.observe(spec, anchor, other, probe_batches(anchor), workers)
    return found.function(spec, anchor.state_dict(), other.state_dict(), moments=moments, seed=seed)


def bench_for(name, workers):
    model = copy.deepcopy(generic(name)).float()
    return MethodContext(spec_of(model), model, probe_batches(model, dtype=torch.float32), workers)


def permuted(model, seed):
    spec = spec_of(model)
    moved = copy.deepcopy(model)
    moved.load_state_dict(permute(spec, model.state_dict(), random_permutation(spec, seed)))
    return moved


def floats(tensor):
    return tensor.is_floating_point()


def assert_close(left, right):
    """But for what is left when an ascent that gains ever less has stopped."""
    assert left.keys() == right.keys()
    for key in left:
        torch.testing.assert_close(left[key], right[key], rtol=1e-3, atol=5e-4, msg=key)


def assert_same(left, right):
    assert left.keys() == right.keys()
    for key in left:
        assert left[key].dtype == right[key].dtype, key
        assert torch.equal(left[key], right[key]), key
