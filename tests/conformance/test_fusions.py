"""What every registered fusion owes on every family, and the laws that each one declares."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import lru_cache

import pytest
import torch

from hubmerge.fuse import Given, find_fusion, fusions
from hubmerge.fuse.laws import ENDS, EXCHANGE, IDENTITY, LAWS, PERMUTATIONS, ROTATIONS, UNITY
from hubmerge.fuse.registry import DATA_FREE, LABEL_FREE, LABELLED
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.models.method_context import MethodContext
from hubmerge.recipe import PASSTHROUGH
from hubmerge.specs.spec import ROTATE
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import Symmetry, random_symmetry, transform
from hubmerge.symmetry.laws import deviation, outputs, spec_of
from hubmerge.symmetry.permutation import identity, permute, random_permutation
from hubmerge.utils.workers import Workers
from tests.helpers.few_steps import quickly
from tests.helpers.labelled import labelled
from tests.helpers.tiny import generic, probe, probe_batches

FEW = [
    "vit",
    "mlp_head-tanh-batch",
    pytest.param("llama-tied-bias", marks=pytest.mark.slow),
]
"""With rotations, with signs and batch norms, and with tied tensors and text."""
MODELS = [*FEW, "resnet-bottleneck"]
"""And with convolutions."""

TOLERANCE = {DATA_FREE: 1e-6, LABEL_FREE: 1e-4, LABELLED: 2e-3}
"""For rounding: what runs models adds that of norms, which some compute in float32 whatever they
are given; what learns does everything in float32."""

WEIGHTS = [0.2, 0.5, 0.3]


def declaring(law, models=MODELS):
    """Every fusion that declares it, on every one of the models."""
    names = [name for name, fusion in fusions().items() if law in fusion.laws]
    return lambda test: pytest.mark.parametrize("name", models)(
        pytest.mark.parametrize("method", names)(test)
    )


@lru_cache(maxsize=64)
def stored(name, seed, dtype):
    """A generic model of a dtype. Shared, for no fusion changes what it is given."""
    return copy.deepcopy(generic(name, seed)).to(dtype)


class Table:
    """Models of one architecture, and everything a fusion may ask for."""

    def __init__(self, name, method):
        self.fusion = find_fusion(method)
        self.dtype = torch.float32 if self.fusion.needs == LABELLED else torch.float64
        self.tolerance = TOLERANCE[self.fusion.needs]
        *models, self.base = (stored(name, s, self.dtype) for s in range(4))
        self.model, self.spec = models[0], spec_of(models[0])
        count = 2 if self.fusion.pair else 3
        self.states = [model.state_dict() for model in models[:count]]
        self.context = bench_of(self.model, learns=self.fusion.learns)

    def fuse(self, states, weights=None, base=None):
        weights = weights or weights_of(len(states))
        base = self.base.state_dict() if base is None else base
        given = Given(base=base, options=quickly(self.fusion))
        return self.fusion.fuse(states, weights, self.context, given)


def weights_of(count):
    return WEIGHTS if count == 3 else [0.3, 0.7]


def bench_of(model, *, learns=False):
    dtype = next(model.parameters()).dtype
    batches = probe_batches(model, rows=8, count=2, dtype=dtype)
    if learns:
        batches = labelled(model, 16)
    scratch = copy.deepcopy(model)
    return MethodContext(spec_of(model), scratch, batches, Workers(threads=1), labelled(model, 24))


@pytest.mark.crossed
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", fusions())
def test_it_is_deterministic_and_keeps_names_types_and_its_inputs(name, method):
    table = Table(name, method)
    kept = [{t: v.clone() for t, v in state.items()} for state in table.states]
    fused = table.fuse(table.states)
    assert {t: (v.dtype, v.shape) for t, v in fused.items()} == {
        t: (v.dtype, v.shape) for t, v in kept[0].items()
    }
    assert all(torch.isfinite(value).all() for value in fused.values())
    if table.fusion.needs != LABELLED and method != PASSTHROUGH:  # these may be the first model
        assert any(not torch.equal(fused[t], kept[0][t]) for t in fused)
    assert_same(table.fuse(table.states), fused)
    for state, before in zip(table.states, kept, strict=True):
        assert_same(state, before)


@pytest.mark.crossed
@declaring(IDENTITY)
def test_a_model_fused_with_itself_is_the_same_function(name, method):
    table = Table(name, method)
    state = table.states[0]
    fused = table.fuse([state] * len(table.states))
    inputs = probe(table.model, dtype=table.dtype)
    moved = deviation(*(outputs(table.model, each, inputs) for each in (state, fused)))
    assert moved < table.tolerance
    if table.fusion.linear:
        assert_same(fused, state)


@pytest.mark.crossed
@declaring(EXCHANGE, FEW)
def test_parents_may_be_given_in_any_order(name, method):
    table = Table(name, method)
    turned = [2, 0, 1] if len(table.states) == 3 else [1, 0]
    given = weights_of(len(table.states))
    states, weights = [table.states[n] for n in turned], [given[n] for n in turned]
    assert_close(table.fuse(states, weights), table.fuse(table.states), table.tolerance)


@declaring(ENDS, FEW)
def test_a_parent_that_weighs_everything_is_what_comes_out(name, method):
    table = Table(name, method)
    for n, state in enumerate(table.states):
        found = table.fuse(table.states, [float(n == m) for m in range(len(table.states))])
        assert_close(found, state, 1e-12)


@pytest.mark.crossed
@declaring(UNITY, FEW)
def test_what_all_parents_agree_on_stays(name, method):
    table = Table(name, method)
    first, *others = table.states
    agreed = {t: torch.rand(v.shape, generator=seeded()) < 0.5 for t, v in first.items()}
    states = [first, *({t: mixed(agreed[t], first[t], s[t]) for t in first} for s in others)]
    fused = table.fuse(states)
    for tensor, value in fused.items():
        kept = agreed[tensor]
        torch.testing.assert_close(
            value[kept], first[tensor][kept], rtol=1e-5, atol=1e-6, msg=tensor
        )


@pytest.mark.crossed
@declaring(PERMUTATIONS)
def test_reordering_all_models_alike_reorders_the_result(name, method):
    table = Table(name, method)
    element = random_permutation(table.spec, 5)

    def move(state):
        return permute(table.spec, state, element)

    moved = table.fuse([move(s) for s in table.states], base=move(table.base.state_dict()))
    assert_close(moved, move(table.fuse(table.states)), table.tolerance)


@pytest.mark.parametrize("method", [n for n, f in fusions().items() if ROTATIONS in f.laws])
def test_rotating_all_models_alike_rotates_the_result(method):
    table = Table("vit", method)
    *states, base = (as_written(seed, table.dtype) for seed in (*range(len(table.states)), 3))
    *turned, turned_base = (
        as_written(seed, table.dtype, turned=True) for seed in (*range(len(table.states)), 3)
    )

    def move(state):
        return in_dtype(transform(table.spec, state, rotation(table.spec)), table.dtype)

    moved = table.fuse(turned, base=turned_base)
    assert_close(moved, move(table.fuse(states, base=base)), table.tolerance)


@pytest.mark.parametrize("method", ["ties", "breadcrumbs", "fisher"])
def test_rotations_are_declared_where_they_hold_and_not_elsewhere(method):
    """What looks at single weights depends on the axes they are written in."""
    with pytest.raises(AssertionError):
        test_rotating_all_models_alike_rotates_the_result(method)


@pytest.mark.parametrize("method", ["ties", "breadcrumbs", "dare", "dare-ties"])
def test_so_is_identity(method):
    with pytest.raises(AssertionError):
        test_a_model_fused_with_itself_is_the_same_function("vit", method)


@pytest.mark.parametrize("method", ["dare", "dare-ties"])
def test_so_are_permutations(method):
    with pytest.raises(AssertionError):
        test_reordering_all_models_alike_reorders_the_result("vit", method)


@pytest.mark.parametrize("method", fusions())
def test_tied_tensors_stay_tied_and_a_stock_model_loads_what_comes_out(method, tmp_path):
    config = MlpHeadConfig(input_size=6, hidden_sizes=[6, 6], num_labels=3)
    count = 2 if find_fusion(method).pair else 3
    models = [MlpHeadForClassification(config).eval() for _ in range(count + 1)]
    for model in models:
        model.layers[1].linear.weight = model.layers[0].linear.weight
    *states, base = (model.state_dict() for model in models)
    context = bench_of(models[0], learns=find_fusion(method).learns)
    given = Given(base=base, options=quickly(find_fusion(method)))
    fused = find_fusion(method).fuse(states, weights_of(len(states)), context, given)
    first, second = (f"layers.{i}.linear.weight" for i in (0, 1))
    assert torch.equal(fused[first], fused[second])
    whole = copy.deepcopy(stored("vit", 0, torch.float32))
    table = [stored("vit", seed, torch.float32).state_dict() for seed in range(4)]
    context = bench_of(whole, learns=find_fusion(method).learns)
    given = replace(given, base=table[3])
    merged = find_fusion(method).fuse(table[:count], weights_of(count), context, given)
    whole.load_state_dict(merged)
    whole.save_pretrained(tmp_path)
    back, found = type(whole).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(found[kind] for kind in ("missing_keys", "unexpected_keys"))
    assert_same(back.state_dict(), merged)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", [n for n, f in fusions().items() if f.needs == DATA_FREE])
def test_half_precision_is_kept(method, dtype):
    count = 2 if find_fusion(method).pair else 3
    models = [stored("vit", seed, dtype) for seed in range(count + 1)]
    *states, base = (model.state_dict() for model in models)
    context = bench_of(models[0], learns=find_fusion(method).learns)
    fused = find_fusion(method).fuse(states, weights_of(len(states)), context, Given(base=base))
    assert {value.dtype for value in fused.values()} == {dtype}


def test_every_law_is_declared_by_some_and_not_by_all():
    declared = [fusion.laws for fusion in fusions().values()]
    for law in LAWS:
        assert 0 < sum(law in laws for laws in declared) < len(declared)


@lru_cache(maxsize=32)
def as_written(seed, dtype, turned=False):
    """The canonical form of a ViT's tensors, rotated or not."""
    model = stored("vit", seed, dtype)
    form = in_dtype(canonical(spec_of(model), model.state_dict()), dtype)
    if not turned:
        return form
    return in_dtype(transform(spec_of(model), form, rotation(spec_of(model))), dtype)


def in_dtype(state, dtype):
    return {t: v.to(dtype) for t, v in state.items()}


def rotation(spec):
    """A random rotation of every space that may be rotated; all else stays."""
    turned = {s: m for s, m in random_symmetry(spec, 3).maps.items() if turns(spec, s)}
    assert turned
    return Symmetry(identity(spec), turned)


def turns(spec, space):
    return spec.spaces[space].may == ROTATE


def seeded():
    return torch.Generator().manual_seed(0)


def mixed(where, one, other):
    return torch.where(where, one, other)


def assert_same(left, right):
    assert left.keys() == right.keys()
    for key in left:
        assert torch.equal(left[key], right[key]), key


def assert_close(left, right, tolerance):
    """But for counters, which come from the first model."""
    assert left.keys() == right.keys()
    for key, value in left.items():
        if value.is_floating_point():
            torch.testing.assert_close(
                value.double(), right[key].double(), rtol=tolerance, atol=tolerance, msg=key
            )
