"""More than two models: one reference order, closed cycles, planted symmetries found."""

from __future__ import annotations

import copy
from itertools import combinations

import pytest
import torch

from hubmerge.errors import RecipeError
from hubmerge.matching import Learner, Match, Matcher, find_matcher
from hubmerge.matching.multi import MultiMatchProblem, between, find_multi_matcher, multi_matchers
from hubmerge.matching.multi.coordinate_ascent import agreement, climb_weights, worth
from hubmerge.matching.multi.methods.cycle_consistent import votes
from hubmerge.matching.solvers.group_assignment import best_element
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import (
    Symmetry,
    fixes_one,
    nearest_rotation,
    random_symmetry,
    transform,
)
from hubmerge.symmetry.element import compose as compose_symmetries
from hubmerge.symmetry.element import invert as invert_symmetry
from hubmerge.symmetry.laws import deviation, outputs, spec_of
from hubmerge.symmetry.permutation import compose, identity, invert, permute, random_permutation
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import TINY, generic, probe, probe_batches

every_model = pytest.mark.parametrize("name", TINY)
every_way = pytest.mark.parametrize("way", multi_matchers())
MODELS = ("vit", pytest.param("resnet-bottleneck", marks=pytest.mark.slow), "mlp_head-layer")
"""With rotations, with nested blocks, with neither. Every model is recovered above."""


def problem(spec, states, method="weights", models=None, seed=0):
    moments, matcher = {}, find_matcher(method)
    if models is not None:
        workers = Workers(threads=1)
        batches = probe_batches(models[0])
        moments = {
            (p, q): matcher.observe(spec, models[p], models[q], batches, workers)
            for p, q in combinations(range(len(models)), 2)
        }
    return MultiMatchProblem(spec, states, matcher, moments, seed)


def holding(model, state):
    holder = copy.deepcopy(model)
    holder.load_state_dict(dict(state))
    return holder


def independent(name, count=3):
    models = [generic(name, seed) for seed in range(count)]
    return spec_of(models[0]).permutations_only, models, [model.state_dict() for model in models]


def aligned(states, matches):
    return [states[0], *(m.apply(s) for s, m in zip(states[1:], matches, strict=True))]


@pytest.mark.crossed
@every_model
@every_way
def test_planted_symmetries_of_one_model_are_recovered(name, way):
    model = generic(name, 3)
    spec, state = spec_of(model).permutations_only, model.state_dict()
    elements = [random_permutation(spec, seed) for seed in (7, 8, 9)]
    states = [permute(spec, state, element) for element in elements]
    matches = find_multi_matcher(way).function(problem(spec, states))
    for element, match in zip(elements[1:], matches, strict=True):
        wanted = compose(spec, invert(spec, element), elements[0])
        for space, index in wanted.items():
            assert torch.equal(match.permutation[space], index), space
    for moved in aligned(states, matches)[1:]:
        assert all(torch.equal(moved[tensor], value) for tensor, value in states[0].items())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", ["activations", "activations-distance"])
def test_planted_symmetries_are_recovered_from_what_the_units_do(name, method):
    """Of units that ever vary: those a ReLU keeps silent cannot be told apart."""
    model = generic(name, 3)
    spec, state = spec_of(model).permutations_only, model.state_dict()
    elements = [random_permutation(spec, seed) for seed in (7, 8, 9)]
    models = [holding(model, permute(spec, state, element)) for element in elements]
    states = [each.state_dict() for each in models]
    matches = find_multi_matcher("cycle-consistent").function(problem(spec, states, method, models))
    right = total = 0
    for element, match in zip(elements[1:], matches, strict=True):
        wanted = compose(spec, invert(spec, element), elements[0])
        right += sum(int((match.permutation[s] == index).sum()) for s, index in wanted.items())
        total += sum(index.numel() for index in wanted.values())
    assert right > 0.8 * total


def test_planted_rotations_are_recovered_from_what_the_units_do():
    model = generic("vit", 1)
    spec, form = spec_of(model), canonical(spec_of(model), model.state_dict())
    elements = [random_symmetry(spec, seed) for seed in (1, 2, 3)]
    models = [holding(model, transform(spec, form, element)) for element in elements]
    states = [each.state_dict() for each in models]
    matches = find_multi_matcher("cycle-consistent").function(
        problem(spec, states, "activations", models)
    )
    anchor = canonical(spec, states[0])
    inputs = probe(model)
    for state, match in zip(states[1:], matches, strict=True):
        assert set(match.maps) == set(spec.mapped_spaces())
        moved = match.apply(state)
        assert deviation(outputs(model, state, inputs), outputs(model, moved, inputs)) < 1e-9
        for tensor in spec.tensors:
            torch.testing.assert_close(moved[tensor], anchor[tensor], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("data", [False, True])
def test_every_cycle_closes(name, data):
    """P_AC = P_BC P_AB, whatever the models: one of them first, the answers fit together."""
    spec, models, states = independent(name)
    method = "activations" if data else "weights"
    reference = [Symmetry(random_permutation(spec, s)) for s in range(3)]
    via = compose_symmetries(spec, between(spec, reference, 1, 2), between(spec, reference, 0, 1))
    assert_same(via, between(spec, reference, 0, 2))
    found = find_multi_matcher("cycle-consistent").function(
        problem(spec, states, method, models if data else None)
    )
    a_b, a_c = (match.symmetry for match in found)
    b_c = between(spec, [Symmetry(identity(spec)), a_b, a_c], 1, 2)
    assert_same(compose_symmetries(spec, b_c, a_b), a_c)
    b_a = invert_symmetry(spec, a_b)
    assert_same(compose_symmetries(spec, compose_symmetries(spec, a_c, b_a), a_b), a_c)


def test_cycles_of_pairs_do_not_close_by_themselves():
    spec, _, states = independent("vit")
    given = problem(spec, states)
    a_b, a_c, b_c = (given.match(*pair).symmetry for pair in ((0, 1), (0, 2), (1, 2)))
    via = compose_symmetries(spec, b_c, a_b)
    assert any(not torch.equal(via.permutation[s], i) for s, i in a_c.permutation.items())


def assert_same(left, right):
    assert left.permutation.keys() == right.permutation.keys()
    for space, index in right.permutation.items():
        assert torch.equal(left.permutation[space], index), space


@pytest.mark.parametrize("name", MODELS)
def test_the_joint_match_agrees_better_than_any_star_and_no_single_move_betters_it(name):
    spec, _, states = independent(name)
    reached = {
        way: agreement(spec, aligned(states, found.function(problem(spec, states))))
        for way, found in multi_matchers().items()
    }
    assert reached["cycle-consistent"] >= reached["star"] - 1e-9
    assert reached["merge-many"] > agreement(spec, states)
    matches = find_multi_matcher("cycle-consistent").function(problem(spec, states))
    for seed in range(5):
        for space, index in random_permutation(spec, seed).items():
            for number in range(2):
                other = dict(matches[number].permutation) | {space: index}
                moved = aligned(states, matches)
                moved[number + 1] = permute(spec, states[number + 1], other)
                assert agreement(spec, moved) <= reached["cycle-consistent"] + 1e-9


@pytest.mark.parametrize("name", MODELS)
def test_a_climb_never_goes_down(name):
    spec, _, states = independent(name, 4)
    start = [Symmetry(random_permutation(spec, seed)) for seed in range(4)]

    def reached(elements):
        pairs = zip(states, elements, strict=True)
        return agreement(spec, [transform(spec, state, element) for state, element in pairs])

    values = [reached(start)]
    for sweeps in (1, 2, 3, 100):
        found, outcome = climb_weights(spec, states, start, sweeps=sweeps)
        values.append(reached(found))
    assert values == sorted(values)
    assert values[-1] > values[0]
    assert outcome.startswith("converged")
    assert climb_weights(spec, states, start, sweeps=1)[1].startswith("out of sweeps: 1")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("data", [False, True])
def test_two_models_are_matched_as_a_pair_is(name, data):
    spec, models, states = independent(name, 2)
    method = "activations" if data else "weights"
    given = problem(spec, states, method, models if data else None)
    pair = given.match(0, 1)
    (found,) = find_multi_matcher("cycle-consistent").function(given)
    for space, index in pair.permutation.items():
        assert torch.equal(found.permutation[space], index)
    assert [s.correlation for s in found.spaces] == pytest.approx(
        [s.correlation for s in pair.spaces]
    )


@every_way
def test_copies_of_one_model_stay_as_they_are(way):
    spec, _, states = independent("resnet-basic", 1)
    matches = find_multi_matcher(way).function(problem(spec, [states[0]] * 4))
    assert len(matches) == 3
    for match in matches:
        assert all(space.moved == 0 for space in match.spaces)


@every_way
def test_the_same_models_give_the_same_match(way):
    spec, _, states = independent("vit", 4)
    once, again = (
        find_multi_matcher(way).function(problem(spec, states, seed=3)) for _ in range(2)
    )
    for left, right in zip(once, again, strict=True):
        assert_same(left.symmetry, right.symmetry)
        assert left.outcome == right.outcome


@every_way
def test_inputs_are_left_alone(way):
    spec, _, states = independent("mlp_head-layer", 3)
    before = [{k: v.clone() for k, v in state.items()} for state in states]
    find_multi_matcher(way).function(problem(spec, states))
    for state, kept in zip(states, before, strict=True):
        assert all(torch.equal(state[key], value) for key, value in kept.items())


@every_way
def test_a_match_leaves_the_function_alone(way):
    spec, models, states = independent("resnet-basic", 3)
    inputs = probe(models[0])
    matches = find_multi_matcher(way).function(problem(spec, states))
    for model, state, match in zip(models[1:], states[1:], matches, strict=True):
        moved = outputs(model, match.apply(state), inputs)
        assert deviation(outputs(model, state, inputs), moved) < 1e-12


def test_an_unknown_way_is_refused_with_the_names_there_are():
    with pytest.raises(RecipeError, match="'unvierse'") as refused:
        find_multi_matcher("unvierse")
    assert "cycle-consistent" in (refused.value.found or "")


@pytest.mark.parametrize("name", MODELS)
def test_votes_are_worth_most_where_they_were_cast(name):
    """What a matcher says of a pair, in the reference order."""
    spec = spec_of(generic(name, 0))
    cast = random_symmetry(spec, 4)
    for group in spec.groups:
        given = {space: votes(spec, space, cast) for space in group.members}
        found = best_element(spec, group, given)
        for space in group.members:
            if space in found.maps:
                nearest = nearest_rotation(cast.maps[space], fixing_one=fixes_one(spec, space))
                torch.testing.assert_close(found.maps[space], nearest)
            else:
                assert torch.equal(found.permutation[space], cast.permutation[space])
        assert worth(spec, given, found) > 0


def test_a_matcher_that_learns_is_asked_for_every_model_after_the_first():
    spec, _, states = independent("mlp_head-layer")
    asked = []

    def learn(spec, anchor, other, *, context, seed):
        asked.append([k for k, s in enumerate(states) if s is anchor or s is other])
        return Match("learn", spec, identity(spec), f"learned {seed}", ())

    given = MultiMatchProblem(spec, states, Learner("learn", learn, "here", False), {}, 7, object())
    matches = find_multi_matcher("star").function(given)
    assert asked == [[0, 1], [0, 2]]
    assert [match.outcome for match in matches] == ["learned 7"] * 2


def test_planted_rotations_are_recovered_from_weights_alone():
    """Whatever matches the pairs: the climb rotates and maps as well as it permutes."""
    model = generic("vit", 2)
    spec = spec_of(model)
    form = canonical(spec, model.state_dict())
    states = [transform(spec, form, random_symmetry(spec, seed)) for seed in (1, 2, 3)]

    def nearly(spec, anchor, other, *, moments=None, seed=0):
        """The right answer but for one space, which the climb has to turn."""
        a, b = (next(k for k, s in enumerate(states) if s is each) for each in (anchor, other))
        planted = [random_symmetry(spec, k + 1) for k in (a, b)]
        right = compose_symmetries(spec, invert_symmetry(spec, planted[1]), planted[0])
        wrong = {**right.maps, "resid": torch.eye(16, dtype=torch.float64)}
        return Match("nearly", spec, right.permutation, "", (), wrong)

    matcher = Matcher("nearly", nearly, "here", "nothing", None)
    matches = find_multi_matcher("cycle-consistent").function(
        MultiMatchProblem(spec, states, matcher, {})
    )
    for state, match in zip(states[1:], matches, strict=True):
        moved = match.apply(state)
        anchor = match.anchored(states[0])
        for tensor in spec.tensors:
            torch.testing.assert_close(moved[tensor], anchor[tensor], rtol=1e-4, atol=1e-4)
        assert [s.correlation for s in match.spaces] == pytest.approx([1.0] * len(match.spaces))
        assert {s.kind for s in match.spaces} == {"permute", "rotate", "linear"}
