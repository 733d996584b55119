"""The queries of a group and the one map inside all of them: solved together."""

from __future__ import annotations

import copy
from itertools import permutations

import numpy as np
import pytest
import torch

from hubmerge.matching import find_matcher, measure_moments
from hubmerge.matching.similarity.keys import couples, seen_through, shape_of
from hubmerge.matching.similarity.weights import group_similarities
from hubmerge.matching.solvers.coupled_spaces import solve_couples
from hubmerge.matching.solvers.group_assignment import best_element, worth
from hubmerge.matching.solvers.space_assignment import assign_nested
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import (
    Symmetry,
    apply_maps,
    nearest_map,
    random_symmetry,
    transform,
    worth_of_nearest,
)
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import identity
from hubmerge.symmetry.unit_scales import level
from hubmerge.utils.workers import Workers
from tests.helpers.families import bound
from tests.helpers.tiny import generic, probe_batches

UNITS, SIZE, HEADS = 3, 4, 2
TOY = f"""\
[match]
model_type = "toy"

[fixed]
label = {{}}

[space]
head = {HEADS}
q    = {{ size = {UNITS}, within = "head" }}
rot  = {{ within = "head", may = "rotary" }}
vo   = {{ within = "head", may = "linear" }}

[param]
"q.weight" = "(head q rot) label"
"k.weight" = "(head rot') label"
"v.weight" = "(head vo) label"
"o.weight" = "label (head q vo')"
"""
SHAPES = {
    "q.weight": (HEADS * UNITS * SIZE, 9),
    "k.weight": (HEADS * SIZE, 9),
    "v.weight": (HEADS * SIZE, 9),
    "o.weight": (9, HEADS * UNITS * SIZE),
}
KEYS = ["q rot", "q vo", "rot", "vo"]


@pytest.fixture
def toy(tmp_path):
    return bound(tmp_path, TOY, SHAPES)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def similarities(spec, seed, noise=0.0):
    """Of every key: those of a model with itself, and what blurs them."""
    state = form_of(spec, seed)
    found = group_similarities(spec, state, state, spec.groups[0], identity(spec))
    return {
        key: values + noise * values.std() * drawn(*values.shape, seed=seed)
        for key, values in found.items()
    }


def form_of(spec, seed):
    drawn_ones = {n: drawn(*shape, seed=seed + k) for k, (n, shape) in enumerate(SHAPES.items())}
    return canonical(spec, drawn_ones)


def worth_of(spec, order, own, alone, together):
    """The definition: each map the best there is, given that order."""
    columns = torch.tensor(order)
    total = float(own[torch.arange(len(order)), columns].sum())
    for name, block in alone.items():
        matched = together[name][torch.arange(len(order)), :, columns].sum(0)
        total += float(worth_of_nearest(spec, name, block + matched))
    return total


@pytest.mark.parametrize(("noise", "share"), [(0.01, 1.0), (1.0, 0.99), (1e6, 0.9)])
def test_the_order_found_is_worth_what_is_said_and_is_near_the_best_of_all(toy, noise, share):
    """The best itself where anything is alike. noise: per entry, as a share of what is alike."""
    reached = best = 0.0
    here, alike = torch.arange(UNITS), torch.eye(SIZE, dtype=torch.float64)
    for seed in range(20):
        order = torch.randperm(UNITS, generator=torch.Generator().manual_seed(seed))
        together, alone = {}, {}
        for k, name in enumerate(("rot", "vo")):
            together[name] = noise * drawn(UNITS, SIZE, UNITS, SIZE, seed=seed + k)
            together[name][here, :, order] += alike
            alone[name] = noise * drawn(SIZE, SIZE, seed=seed + 9 + k) + alike
        own = noise * drawn(UNITS, UNITS, seed=seed + 5)
        gain, found = solve_couples(toy, own, alone, together)
        worths = {o: worth_of(toy, o, own, alone, together) for o in permutations(range(UNITS))}
        assert gain == pytest.approx(worths[tuple(found.tolist())])
        assert gain <= max(worths.values()) * (1 + 1e-9)
        assert noise > 0.01 or torch.equal(found, order)
        reached, best = reached + gain, best + max(worths.values())
    assert reached >= share * best * (1 - 1e-9)


def test_a_stretch_of_both_speaks_for_the_couple(toy):
    group = toy.groups[0]
    assert couples(toy, group) == ["q rot", "q vo"]
    assert shape_of(toy, "q rot") == (HEADS, UNITS, SIZE)
    assert similarities(toy, 0).keys() == {*KEYS}
    assert couples(toy.permutations_only, toy.permutations_only.groups[0]) == []


def test_what_is_brought_together_is_worth_the_inner_product(toy):
    """The definition, by moving the tensors; and no other element is worth more."""
    first, last = form_of(toy, 0), form_of(toy, 40)
    group = toy.groups[0]
    found = group_similarities(toy, first, last, group, identity(toy))
    element = best_element(toy, group, found)
    moved = transform(toy, last, element)
    wanted = sum(float((first[name] * moved[name]).sum()) for name in SHAPES)
    assert worth(toy, found, element) == pytest.approx(wanted)
    for seed in range(30):
        other = random_symmetry(toy, seed)
        turns = {name: nearest_map(toy, name, matrix) for name, matrix in other.maps.items()}
        assert worth(toy, found, Symmetry(other.permutation, turns)) <= wanted


def test_heads_are_chosen_exactly_though_few_pairs_are_solved(toy):
    """Bounds exclude no pair that could be among the chosen ones."""
    for seed in range(5):
        found = similarities(toy, seed, 3.0)
        element = assign_nested(toy, "head", {}, rotated=found)
        gains = np.array([[_gain_of(toy, found, i, j) for j in range(HEADS)] for i in range(HEADS)])
        orders = [*permutations(range(HEADS))]
        best = max(orders, key=lambda o: sum(gains[i, o[i]] for i in range(HEADS)))
        assert element["head"].tolist() == [*best]


def _gain_of(spec, found, i, j):
    together = {name: found[f"q {name}"][i, :, :, j] for name in ("rot", "vo")}
    alone = {name: found[name][i, :, j] for name in ("rot", "vo")}
    return solve_couples(spec, torch.zeros(UNITS, UNITS, dtype=torch.float64), alone, together)[0]


def test_a_couple_seen_through_its_map_is_a_similarity_of_the_outer_space():
    spec = spec_of(generic("llama"))
    values = drawn(2, 2, 4, 2, 2, 4)
    turns = random_symmetry(spec, 1).maps["model.layers.0.rot"]
    seen = seen_through("model.layers.0.q model.layers.0.rot", values, turns)
    torch.testing.assert_close(seen, torch.einsum("iaxjby,ixy->iajb", values, turns))


def test_what_is_constant_is_turned_into_place_as_well():
    """Heads that look so many tokens back whatever these are: their queries and keys never vary."""
    model = copy.deepcopy(generic("llama-tied-bias"))
    spec, space = spec_of(model), "model.layers.0.rot"
    for name, parameter in model.named_parameters():
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            parameter.data.zero_()
    state = level(spec, model.state_dict())
    model.load_state_dict(state)
    form = canonical(spec, state)
    planted = apply_maps(spec, form, {space: random_symmetry(spec, 1).maps[space]})
    other = copy.deepcopy(model)
    other.load_state_dict(planted)
    moments = measure_moments(spec, model, other, probe_batches(model), Workers(threads=1))
    found = find_matcher("activations").function(spec, state, planted, moments=moments)
    restored = found.apply(planted)
    for name in ("q_proj.bias", "k_proj.bias"):
        bias = f"model.layers.0.self_attn.{name}"
        assert form[bias].abs().max() > 0.1
        torch.testing.assert_close(restored[bias], form[bias], rtol=1e-6, atol=1e-8)
