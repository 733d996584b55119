"""A merged with A is A to the last bit: every family, matcher that learns nothing, and symmetry."""

from __future__ import annotations

import copy
from functools import lru_cache

import pytest
import torch

from hubmerge.fuse import find_fusion
from hubmerge.matching import find_matcher, matchers
from hubmerge.matching.aligned import aligned
from hubmerge.matching.identity import where_closer
from hubmerge.matching.multi import MultiMatchProblem, find_multi_matcher, multi_matchers
from hubmerge.matching.registry import NOTHING
from hubmerge.models.method_context import MethodContext
from hubmerge.models.states import in_dtypes_of
from hubmerge.pipeline.merge_path import MergePath
from hubmerge.repair import batch_norms, find_repair
from hubmerge.specs.spec import SYMMETRIES
from hubmerge.symmetry.laws import deviation, outputs, spec_of
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import TINY, generic, probe, probe_batches

FAMILIES = ["gpt2-untied", "llama", "mlp_head-batch", "resnet-basic", "vit"]
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in TINY if name not in FAMILIES]
every_model = pytest.mark.parametrize("name", [*FAMILIES, *OTHERS])
QUICK = {("resnet-basic", "cycle-consistent"), ("resnet-basic", "merge-many"), ("vit", "star")}
WORKERS = Workers(threads=1)


@lru_cache
def stored(name):
    """A generic model as one is stored and loaded: float32, a dead unit and a negative 0 in it."""
    model = copy.deepcopy(generic(name)).float()
    state = model.state_dict()
    spec = spec_of(model)
    space = next(iter(spec.ordered_spaces()))
    for tensor in spec.touched_by[space]:
        if tensor not in spec.buffers and spec.tensors[tensor].axes[0].name == space:
            state[tensor][:2] = -0.0
    return model


@lru_cache
def seen(name, method):
    model, found = stored(name), find_matcher(method)
    if found.looks_at == NOTHING:
        return None
    batches = probe_batches(model, rows=8, count=2, dtype=torch.float32)
    return found.observe(spec_of(model), model, model, batches, WORKERS)


def copied(state):
    return {key: value.clone() for key, value in state.items()}


def same_bits(left, right):
    assert left.keys() == right.keys()
    for key in left:
        assert left[key].dtype == right[key].dtype, key
        assert left[key].numpy().tobytes() == right[key].numpy().tobytes(), key


def merged(states, matches, weights):
    whole = where_closer(states, matches)
    assert not any(match.moves for match in whole)
    assert not any(space.moved or space.gain for match in whole for space in match.spaces)
    there = [in_dtypes_of(each.state, states[0]) for each in aligned(states, whole)]
    return find_fusion("average").function(there, weights)


@pytest.mark.crossed
@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("method", matchers())
def test_a_model_merged_with_itself_is_that_model_to_the_bit(name, method):
    model = stored(name)
    state, whole = model.state_dict(), spec_of(model)
    done = set()
    for symmetry in SYMMETRIES:
        spec = whole.allowing(symmetry)
        if (spec.symmetry, *spec.mapped_spaces()) in done:
            continue
        done.add((spec.symmetry, *spec.mapped_spaces()))
        given = {"moments": seen(name, method)}
        match = find_matcher(method).function(spec, state, copied(state), **given)
        same_bits(merged([state, copied(state)], [match], [0.7, 0.3]), state)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        pytest.param(name, way, marks=[] if (name, way) in QUICK else pytest.mark.slow)
        for name in TINY
        for way in multi_matchers()
    ],
)
def test_so_are_three_of_it(name, way):
    model = stored(name)
    state, spec = model.state_dict(), spec_of(model).plain_inputs
    states = [state, copied(state), copied(state)]
    problem = MultiMatchProblem(spec, states, find_matcher("weights"), {})
    matches = find_multi_matcher(way).function(problem)
    same_bits(merged(states, matches, [0.5, 0.2, 0.3]), state)


@every_model
def test_least_squares_and_repairs_leave_what_all_agree_on(name):
    model = stored(name)
    state, spec = model.state_dict(), spec_of(model)
    batches = probe_batches(model, rows=16, count=3, dtype=torch.float32)
    context = MethodContext(spec, copy.deepcopy(model), batches, WORKERS)
    fused = find_fusion("least-squares").make([state, copied(state)], [0.7, 0.3], context).state
    for key, value in state.items():
        scale = value.double().abs().max()
        assert (fused[key].double() - value.double()).abs().max() <= 1e-6 * scale, key
    inputs = probe(model, dtype=torch.float32)
    wanted = outputs(model, state, inputs)
    for repair in ["repair", *(["batchnorm"] if batch_norms(model) else [])]:
        path = MergePath(find_repair(repair), context, [state, copied(state)])
        assert deviation(wanted, outputs(model, path.state(0.3), inputs)) < 1e-5
