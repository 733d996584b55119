"""What is aligned in canonical form stands in the first model's own coordinates afterwards."""

from __future__ import annotations

import pytest
import torch

from hubmerge.fuse._mean import weighted_mean
from hubmerge.matching import Match
from hubmerge.matching.aligned import aligned
from hubmerge.specs.spec import ALL, MAPS, ROTATE, SCALES
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.coordinates import unusable_gains
from hubmerge.symmetry.laws import deviation, outputs, spec_of
from hubmerge.symmetry.permutation import identity
from tests.helpers.tiny import TINY, generic, probe

FORMED = [
    (name, symmetry)
    for name in TINY
    for symmetry in (MAPS, SCALES, ALL)
    if spec_of(generic(name)).allowing(symmetry).has_form
]
every_formed = pytest.mark.parametrize(("name", "symmetry"), FORMED)
ROTATED = [name for name in TINY if ROTATE in spec_of(generic(name)).mapped_spaces().values()]
EXACT = 1e-9


def as_it_came(spec):
    """A match that moves nothing, and has both models brought into canonical form."""
    maps = {
        space: torch.eye(spec.sizes[space], dtype=torch.float64).expand(
            *spec.index_shape(space), spec.sizes[space]
        )
        for space in spec.mapped_spaces()
    }
    return Match("by hand", spec, identity(spec), "", (), maps)


def shaken(name, seed):
    """A generic model's tensors and, where there are some, gains and sizes of every kind."""
    model, generator = generic(name, seed), torch.Generator().manual_seed(seed)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    for norm in spec_of(model).norms:
        gain = state[norm.gain]
        gain *= torch.randn(gain.shape, generator=generator, dtype=torch.float64).exp()
    return state


def same_bits(left, right):
    assert left.keys() == right.keys()
    for key in left:
        assert left[key].numpy().tobytes() == right[key].numpy().tobytes(), key


@every_formed
def test_a_model_aligned_with_itself_comes_back_to_the_bit(name, symmetry):
    state, spec = shaken(name, 0), spec_of(generic(name)).allowing(symmetry)
    copied = {key: value.clone() for key, value in state.items()}
    first, last = aligned([state, copied], [as_it_came(spec)])
    assert first.state is state
    same_bits(last.state, state)


@every_formed
def test_what_is_written_in_another_form_takes_the_first_ones(name, symmetry):
    state, spec = shaken(name, 0), spec_of(generic(name)).allowing(symmetry)
    _, last = aligned([state, canonical(spec, state)], [as_it_came(spec)])
    for key, value in state.items():
        torch.testing.assert_close(last.state[key], value, rtol=1e-6, atol=1e-9, msg=key)


@every_formed
def test_a_mean_in_these_coordinates_is_the_mean_of_the_forms(name, symmetry):
    """So that nothing is lost by leaving the form in which models were aligned."""
    model, inputs = generic(name), probe(generic(name))
    spec, states = spec_of(model).allowing(symmetry), [shaken(name, 0), shaken(name, 1)]
    found = [each.state for each in aligned(states, [as_it_came(spec)])]
    assert deviation(outputs(model, states[1], inputs), outputs(model, found[1], inputs)) < EXACT
    if any(norm.batch for norm in spec.behind):
        return  # what is added to their variances is not scaled with them
    forms = [canonical(spec, state) for state in states]
    means = [weighted_mean(each, [0.3, 0.7]) for each in (forms, found)]
    assert deviation(*(outputs(model, mean, inputs) for mean in means)) < EXACT


@pytest.mark.parametrize("name", ROTATED)
def test_gains_that_nothing_can_be_divided_by_stay_folded_in_all_models(name):
    model, inputs = generic(name), probe(generic(name))
    spec, states = spec_of(model), [shaken(name, seed) for seed in (0, 1, 2)]
    norm = next(
        n for n in spec.norms if n.bias not in states[0] or f"{n.readers[0]}.bias" in states[0]
    )
    states[0][norm.gain][2], states[0][norm.gain][5] = 0.0, 1e-9
    still = Match("none", spec.permutations_only, identity(spec), "", ())
    found = aligned(states, [as_it_came(spec), still])
    assert unusable_gains(spec, states[0])[norm.module].nonzero().flatten().tolist() == [2, 5]
    for before, after in zip(states, found, strict=True):
        assert (after.state[norm.gain][[2, 5]] == 1).all()
        moved = deviation(outputs(model, before, inputs), outputs(model, after.state, inputs))
        assert moved < EXACT
