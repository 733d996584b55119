"""What rotary positions leave free: a complex factor for every pair of units, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from hubmerge.errors import LawError, SpecError
from hubmerge.matching import find_matcher
from hubmerge.models import shaken
from hubmerge.specs.bind import bind
from hubmerge.specs.spec import LINEAR, PERMUTE, ROTARY
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import (
    apply_maps,
    dual_of,
    nearest_map,
    nearest_rotation,
    random_symmetry,
    transform,
    worth_of_nearest,
)
from hubmerge.symmetry.laws import deviation, outputs, prove, spec_of
from hubmerge.symmetry.rotary import factors_in, is_rotary, matrix_of, nearest_turn
from tests.helpers.families import bound, family, line_of
from tests.helpers.tiny import generic, probe
from tests.specs.test_layouts import GROUPED, IDS, NEOX, PHI3, SMALL, language_model

TOY = """\
[match]
model_type = "toy"

[fixed]
label = {}

[space]
head = 2
rot  = { within = "head", may = "rotary" }

[param]
"q.weight" = "(head rot) label"
"k.weight" = "(head rot') label"
"""
SIZE = 6


def shapes(size):
    return {"q.weight": (2 * size, 3), "k.weight": (2 * size, 3)}


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def turned_by_positions(units, angles):
    """transformers' own rotary positions on [tokens, n] units; angles: [tokens, n / 2]."""
    both = torch.cat([angles, angles], -1)
    given = units[None, None]
    return apply_rotary_pos_emb(given, given, both.cos()[None], both.sin()[None])[0][0, 0]


def test_a_factor_commutes_with_rotary_positions_and_keeps_what_queries_say_to_keys():
    queries, keys, angles = drawn(5, SIZE), drawn(5, SIZE, seed=1), drawn(5, SIZE // 2, seed=2)
    there = matrix_of(torch.complex(drawn(3, seed=3), drawn(3, seed=4)))
    after = turned_by_positions(queries, angles) @ there.T
    torch.testing.assert_close(turned_by_positions(queries @ there.T, angles), after)
    back = torch.linalg.inv(there).mT
    said, kept = (
        turned_by_positions(q, angles) @ turned_by_positions(k, angles).T
        for q, k in ((queries, keys), (queries @ there.T, keys @ back.T))
    )
    torch.testing.assert_close(kept, said)
    assert is_rotary(back, 1e-12)
    conjugate = 1 / factors_in(there).conj()
    torch.testing.assert_close(factors_in(back), conjugate)


def test_factors_are_multiplied_as_matrices_are():
    left, right = (torch.complex(drawn(2, 3, seed=k), drawn(2, 3, seed=k + 1)) for k in (0, 2))
    torch.testing.assert_close(matrix_of(left) @ matrix_of(right), matrix_of(left * right))
    torch.testing.assert_close(factors_in(matrix_of(left)), left)


def test_the_nearest_factors_are_least_squares():
    matrix = drawn(2, SIZE, SIZE)
    best = factors_in(matrix)
    nearest = (matrix - matrix_of(best)).square().sum()
    for seed in range(20):
        nudge = 0.1 * torch.complex(drawn(2, 3, seed=seed), drawn(2, 3, seed=seed + 50))
        assert (matrix - matrix_of(best + nudge)).square().sum() > nearest


def test_the_nearest_turn_is_nearest():
    matrix = drawn(SIZE, SIZE)
    best = nearest_turn(matrix)
    torch.testing.assert_close(best @ best.T, torch.eye(SIZE, dtype=torch.float64))
    worth = (best * matrix).sum()
    for seed in range(50):
        other = matrix_of(torch.polar(torch.ones(3, dtype=torch.float64), 3 * drawn(3, seed=seed)))
        assert (other * matrix).sum() <= worth
    assert torch.equal(nearest_turn(torch.zeros(4, 4)), torch.eye(4)), "no word, no turn"


@pytest.mark.parametrize("may", [ROTARY, LINEAR])
def test_what_the_nearest_map_is_worth(tmp_path, may):
    spec = bound(tmp_path, TOY.replace("rotary", may), shapes(SIZE))
    blocks = drawn(3, SIZE, SIZE)
    wanted = (nearest_map(spec, "rot", blocks) * blocks).sum((-2, -1))
    torch.testing.assert_close(worth_of_nearest(spec, "rot", blocks), wanted)


def test_a_rotary_space_is_free_and_has_no_other_order(tmp_path):
    spec = bound(tmp_path, TOY, shapes(SIZE))
    assert spec.free_spaces() == {"head": 2, "rot": SIZE}
    assert spec.ordered_spaces() == {"head": 2}
    assert spec.mapped_spaces() == {"rot": ROTARY}
    assert spec.permutations_only.free_spaces() == spec.unmapped.free_spaces() == {"head": 2}
    element = random_symmetry(spec, 3)
    assert element.permutation.keys() == {"head"}
    assert is_rotary(element.maps["rot"], 1e-12)
    assert is_rotary(dual_of(spec, "rot", element.maps["rot"]), 1e-12)
    assert not is_rotary(nearest_rotation(drawn(SIZE, SIZE)), 0.1)


def test_half_a_pair_is_refused(tmp_path):
    with pytest.raises(SpecError) as refused:
        bound(tmp_path, TOY, shapes(5))
    assert refused.value.what == "space 'rot' may 'rotary'"
    assert refused.value.found == "its size is 5"
    assert refused.value.source == f"specs/toy.toml, line {line_of(TOY, 'rot  =')}"
    assert "pairs" in refused.value.hint


@pytest.mark.parametrize("name", ["llama", "llama-tied-bias", "llama-one-query-each"])
@pytest.mark.parametrize("may", [LINEAR, PERMUTE])
def test_any_other_map_and_any_order_is_found_out(name, may):
    """Queries and keys mapped together as if nothing turned them in between."""
    model = generic(name)
    spec = spec_of(model)
    space = "model.layers.0.rot"
    wrong = replace(spec.spaces[space], may=may)
    with pytest.raises(LawError) as refused:
        prove(model, replace(spec, spaces={**spec.spaces, space: wrong}), probe(model))
    assert space in refused.value.found


@pytest.mark.parametrize("name", ["llama", "llama-one-query-each"])
def test_a_general_map_of_queries_and_keys_moves_the_outputs(name):
    """As between queries and keys that nothing turns; complex factors do not."""
    model = generic(name)
    spec, inputs, state = spec_of(model), probe(model), model.state_dict()
    space = "model.layers.0.rot"
    linear = replace(spec, spaces={**spec.spaces, space: replace(spec.spaces[space], may=LINEAR)})
    reference = outputs(model, state, inputs)
    for each, moves in ((spec, False), (linear, True)):
        maps = {space: random_symmetry(each, 2).maps[space]}
        moved = outputs(model, apply_maps(each, state, maps), inputs)
        assert (deviation(reference, moved) > 1e-6) == moves
        assert moves or deviation(reference, moved) < 1e-12


FUSED = {  # queries, keys and values laid end to end on one axis
    "Phi3": (PHI3.replace("kv rot +", "kv rot' +"), {**GROUPED}, "kv", 4),
    # the same inside every head, of which rotary positions turn one half
    "GPTNeoX": (
        NEOX.replace('vo = { within = "head" }', 'vo = { size = 4, within = "head" }')
        .replace("(rot + rot + vo)", "(rot + still + rot' + still' + vo)")
        .replace(
            "space.ff", 'space.still = { size = 2, within = "head", may = "linear" }\nspace.ff'
        ),
        {**SMALL, "num_attention_heads": 4, "rotary_pct": 0.5},
        "head",
        2,
    ),
}


@pytest.mark.parametrize("kind", FUSED)
@pytest.mark.parametrize("seed", [0, 1])
def test_fused_layouts_of_other_families_are_proved_and_matched(tmp_path, kind, seed):
    text, config, within, size = FUSED[kind]
    text = text.replace("fixed.rot = 4\n", "")
    rot = f'space.rot = {{ size = {size}, within = "{within}", may = "rotary" }}'
    text = text.replace("space.ff", f"{rot}\nspace.ff")
    torch.manual_seed(seed)
    model = shaken(language_model(kind, **config), seed).double().eval()
    state = model.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    spec = bind(family(tmp_path, text), model.config, shapes)
    assert prove(model, spec, IDS).deviation < 1e-12
    form, element = canonical(spec, state), random_symmetry(spec, seed)
    planted = transform(spec, form, element)
    found = find_matcher("weights").function(spec, state, planted)
    restored = found.apply(planted)
    for tensor, value in form.items():
        torch.testing.assert_close(restored[tensor], value, rtol=1e-3, atol=1e-4, msg=tensor)
