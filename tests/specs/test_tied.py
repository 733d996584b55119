"""What a spec says of gates and of tensors that are one, and how it is refused where it cannot."""

from __future__ import annotations

import pytest

from hubmerge.errors import SpecError
from hubmerge.specs.spec import FLIP, PERMUTE, ROTATE, SCALE
from tests.helpers.families import bound, line_of

TOY = """\
[match]
model_type = "toy"

[fixed]
word = {}

[space]
resid = { may = "rotate" }
ff    = { may = "scale" }
head  = {}
inside = { within = "head" }

[tied]
"out.weight" = "embed.weight"

[param]
"embed.weight" = "word resid"
"gate.weight"  = "ff resid"
"up.weight"    = "ff resid"
"down.weight"  = "resid ff'"
"mix.weight"   = "(head inside) resid"
"norm.weight"  = "resid"
"out.weight"   = "word resid"

[gate]
"gate" = "up"

[rmsnorm]
"norm" = "out gate up mix"
"""
SHAPES = {
    "embed.weight": (7, 4),
    "gate.weight": (6, 4),
    "up.weight": (6, 4),
    "down.weight": (4, 6),
    "mix.weight": (4, 4),
    "norm.weight": (4,),
    "out.weight": (7, 4),
}


def toy(tmp_path, text=TOY, **config):
    return bound(tmp_path, text.replace("head  = {}", "head  = 4"), SHAPES, **config)


def test_the_configuration_says_whether_tensors_are_one(tmp_path):
    spec = toy(tmp_path, tie_word_embeddings=True)
    assert spec.tied == {"out.weight": "embed.weight"}
    assert spec.spaces["resid"].may == FLIP
    assert toy(tmp_path, tie_word_embeddings=False).spaces["resid"].may == ROTATE
    assert toy(tmp_path).tied == {}
    centred = TOY.replace("[rmsnorm]", "[layernorm]")
    assert toy(tmp_path, centred, tie_word_embeddings=True).spaces["resid"].may == PERMUTE


def test_a_gain_that_is_not_folded_has_a_say_unless_signs_are_free(tmp_path):
    centred = TOY.replace("[rmsnorm]", "[layernorm]")
    assert "norm.weight" in toy(tmp_path, tie_word_embeddings=True).unsigned
    assert "norm.weight" not in toy(tmp_path, centred, tie_word_embeddings=True).unsigned


def test_a_gate_is_not_scaled(tmp_path):
    spec = toy(tmp_path)
    assert spec.scaled_spaces() == ["ff"]
    assert spec.spaces["ff"].may == SCALE
    assert "gate.weight" in spec.in_front["ff"]
    assert "up.weight" not in spec.in_front["ff"]


def test_an_inside_of_one_unit_is_not_free(tmp_path):
    assert toy(tmp_path).free_spaces() == {"resid": 4, "ff": 6, "head": 4}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('"gate" = "up"', '"gate" = "down"', '"ff resid" and "resid ff\'"'),
        ('"gate" = "up"', '"door" = "up"', "no line"),
        ('"out.weight" = "embed.weight"', '"out.weight" = "up.weight"', '"ff resid"'),
        ('"out.weight" = "embed.weight"', '"out.weight" = "inn.weight"', "no line"),
    ],
)
def test_lines_that_cannot_be_so_are_refused(tmp_path, old, new, found):
    text = TOY.replace(old, new, 1)
    assert text != TOY
    with pytest.raises(SpecError) as refused:
        toy(tmp_path, text, tie_word_embeddings=True)
    assert found in (refused.value.found or "")
    assert refused.value.source == f"specs/toy.toml, line {line_of(text, new)}"
