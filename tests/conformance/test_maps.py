"""What holds for every family whose spaces may be more than permuted: rotations, linear maps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hubmerge.errors import CanonicalError, LawError
from hubmerge.matching.similarity.moments import watching
from hubmerge.specs.spec import FLIP, LINEAR, PERMUTE, ROTARY, ROTATE, SCALE, TWO_SIDED
from hubmerge.symmetry.canonical import balance, canonical, centre, fold
from hubmerge.symmetry.element import (
    Symmetry,
    apply_maps,
    compose,
    fixes_one,
    invert,
    map_tensor,
    nearest_rotation,
    random_symmetry,
    rows_of,
    transform,
)
from hubmerge.symmetry.laws import deviation, outputs, prove, spec_of
from hubmerge.symmetry.permutation import permute_tensor
from hubmerge.symmetry.rotary import factors_in
from tests.helpers.tiny import TINY, generic, probe

MAPPED = [name for name in TINY if LINEAR in spec_of(generic(name)).mapped_spaces().values()]
ROTATED = [name for name in MAPPED if ROTATE in spec_of(generic(name)).mapped_spaces().values()]
every_mapped = pytest.mark.parametrize("name", MAPPED)
every_rotated = pytest.mark.parametrize("name", ROTATED)
EXACT = 1e-12


def splits(name):
    """A generic model, its spec, a probe batch and its canonical form."""
    model = generic(name)
    spec = spec_of(model)
    return model, spec, probe(model), canonical(spec, model.state_dict())


def close(left, right):
    assert left.keys() == right.keys()
    for key in left:
        torch.testing.assert_close(left[key], right[key], rtol=1e-6, atol=1e-8, msg=key)


def test_transformers_may_be_rotated_and_mapped():
    kinds = spec_of(generic("vit")).mapped_spaces()
    assert kinds.pop("resid") == ROTATE
    assert set(kinds.values()) == {LINEAR}
    assert {name.rsplit(".", 1)[1] for name in kinds} == {"qk", "vo"}


@pytest.mark.crossed
@every_mapped
@pytest.mark.parametrize("form", [fold, centre, balance, canonical])
def test_each_form_leaves_the_function_alone(name, form):
    model = generic(name)
    spec, inputs, state = spec_of(model), probe(model), model.state_dict()
    before = fold(spec, state) if form in (centre,) else state
    after = form(spec, before)
    assert deviation(outputs(model, state, inputs), outputs(model, after, inputs)) < EXACT
    changes = name in ROTATED or form in (balance, canonical)
    assert changes == any(not torch.equal(after[key], state[key]) for key in state)


def test_a_tied_head_takes_no_gain_so_that_nothing_is_rotated():
    """What is left behind LayerNorms is the order of the units; behind RMSNorms, signs as well."""
    kinds = {name: spec_of(generic(name)).spaces["resid"].may for name in MAPPED}
    assert kinds["gpt2"] == PERMUTE
    assert kinds["llama-tied-bias"] == FLIP
    assert kinds["gpt2-untied"] == kinds["llama"] == ROTATE


@pytest.mark.parametrize("name", ["gpt2", "llama-tied-bias"])
def test_a_forgotten_tie_is_found_out(name):
    """Folding and rotating as if the head were a tensor of its own."""
    model = generic(name)
    spec = spec_of(model)
    resid = replace(spec.spaces["resid"], may=ROTATE)
    untied = replace(spec, tied={}, spaces={**spec.spaces, "resid": resid})
    with pytest.raises(LawError) as refused:
        prove(model, untied, probe(model))
    assert "lm_head.weight" in refused.value.found
    assert "[tied]" in refused.value.hint


@every_mapped
def test_the_form_has_plain_norms_and_balanced_heads(name):
    _, spec, _, form = splits(name)
    for norm in spec.norms:
        assert name not in ROTATED or (form[norm.gain] == 1).all()
    for space, kind in spec.mapped_spaces().items():
        if kind not in TWO_SIDED:
            continue
        grams = {True: 0.0, False: 0.0}
        for tensor in spec.touched_by[space]:
            for dual, rows in rows_of(spec, form[tensor], spec.tensors[tensor], space):
                grams[dual] = grams[dual] + rows @ rows.mT
        if kind == ROTARY:  # of every pair, the size alone
            grams = {side: factors_in(gram).real for side, gram in grams.items()}
        torch.testing.assert_close(grams[True], grams[False], rtol=1e-5, atol=1e-7)


@every_mapped
def test_a_form_is_its_own_form(name):
    _, spec, _, form = splits(name)
    close(canonical(spec, form), form)


@every_mapped
def test_every_symmetry_leaves_the_function_alone(name):
    model, spec, inputs, form = splits(name)
    reference = outputs(model, model.state_dict(), inputs)
    for seed in range(3):
        moved = transform(spec, form, random_symmetry(spec, seed))
        assert deviation(reference, outputs(model, moved, inputs)) < EXACT


@every_mapped
def test_every_mapped_space_matters(name):
    """Mapping one tensor alone moves the outputs."""
    model, spec, inputs, form = splits(name)
    reference = outputs(model, form, inputs)
    element = random_symmetry(spec, 3)
    gains = {norm.gain for norm in spec.norms}
    for space, matrix in element.maps.items():
        tensor = next(t for t in spec.touched_by[space] if t not in gains)
        moved = apply_maps(spec, form, {space: matrix})
        half = {**form, tensor: moved[tensor]}
        assert deviation(reference, outputs(model, half, inputs)) > 1e-6, space


@every_mapped
def test_composition_composes_and_an_inverse_undoes(name):
    _, spec, _, form = splits(name)
    first, then = random_symmetry(spec, 1), random_symmetry(spec, 2)
    both = transform(spec, transform(spec, form, first), then)
    close(transform(spec, form, compose(spec, first, then)), both)
    close(transform(spec, transform(spec, form, first), invert(spec, first)), form)


@every_mapped
def test_activations_are_mapped_along(name):
    """What is seen at a watched place behind the stream's first write is mapped as its space is."""
    model, spec, inputs, form = splits(name)
    element = random_symmetry(spec, 4)
    seen = []
    for state in (form, transform(spec, form, element)):
        with watching(model, spec.watches) as eyes:
            outputs(model, state, inputs)
            seen.append({k: v.clone() for k, v in eyes.take().items()})
    duals = {
        s: torch.linalg.inv(m).mT if spec.spaces[s].may in TWO_SIDED else m
        for s, m in element.maps.items()
    }
    for number, watch in enumerate(spec.watches):
        moved = permute_tensor(spec, seen[0][number], watch.layout, element.permutation)
        moved = map_tensor(spec, moved, watch.layout, element.maps, duals)
        torch.testing.assert_close(seen[1][number], moved, rtol=1e-8, atol=1e-8, msg=str(watch))


@every_mapped
def test_a_wrong_kind_is_found_out(name):
    model, spec, inputs, _ = splits(name)
    inside = next(s for s, kind in spec.mapped_spaces().items() if kind == LINEAR)
    tensors = {
        tensor: replace(
            layout,
            segments=tuple(
                tuple(replace(s, grids=tuple(replace(g, dual=False) for g in s.grids)) for s in row)
                for row in layout.segments
            ),
        )
        if tensor in spec.touched_by[inside]
        else layout
        for tensor, layout in spec.tensors.items()
    }
    with pytest.raises(LawError) as refused:
        prove(model, replace(spec, tensors=tensors), inputs)
    assert inside in (refused.value.found or "") or "canonical" in refused.value.what


def test_a_forgotten_norm_is_found_out():
    model, spec, inputs, _ = splits("vit")
    with pytest.raises(LawError):
        prove(model, replace(spec, norms=spec.norms[1:]), inputs)


def test_a_norm_whose_bias_cannot_be_divided_is_refused():
    model, spec, _, _ = splits("vit-deep-no-qkv-bias")
    state = {k: v.clone() for k, v in model.state_dict().items()}
    norm = spec.norms[0]
    state[norm.gain][0] = 0
    with pytest.raises(CanonicalError) as refused:
        canonical(spec, state)
    assert norm.module in str(refused.value)
    assert 'symmetry="permutations"' in str(refused.value)


@pytest.mark.parametrize("fixing_one", [False, True])
def test_the_nearest_rotation_is_nearest(fixing_one):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(7, 7, generator=generator, dtype=torch.float64)
    best = nearest_rotation(matrix, fixing_one=fixing_one)
    torch.testing.assert_close(best @ best.T, torch.eye(7, dtype=torch.float64))
    if fixing_one:
        torch.testing.assert_close(best.sum(1), torch.ones(7, dtype=torch.float64))
    for seed in range(20):
        generator.manual_seed(seed)
        turn = torch.randn(7, 7, generator=generator, dtype=torch.float64)
        other = best @ nearest_rotation(torch.eye(7) + 0.1 * (turn - turn.T), fixing_one=fixing_one)
        assert (other * matrix).sum() <= (best * matrix).sum() + 1e-12


def test_rotations_of_a_layer_norm_fix_the_mean():
    spec = spec_of(generic("vit"))
    assert fixes_one(spec, "resid")
    rotation = random_symmetry(spec, 0).maps["resid"]
    torch.testing.assert_close(rotation.sum(1), torch.ones(16, dtype=torch.float64))
    assert not fixes_one(replace(spec, norms=()), "resid")


def test_those_of_an_rms_norm_are_all_rotations():
    spec = spec_of(generic("llama"))
    assert not fixes_one(spec, "resid")
    rotation = random_symmetry(spec, 0).maps["resid"]
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(16, dtype=torch.float64))
    assert (rotation.sum(1) - 1).abs().max() > 0.5


def test_permuted_spaces_are_not_mapped():
    for name in set(TINY) - set(MAPPED):
        spec = spec_of(generic(name))
        assert {s.may for s in spec.spaces.values()} <= {PERMUTE, SCALE, FLIP}
        spec = spec.unflipped
        assert random_symmetry(spec, 0).maps == {}
        assert isinstance(random_symmetry(spec, 0), Symmetry)
