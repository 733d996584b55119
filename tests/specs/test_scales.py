"""What a spec says of scales and signs, and how it is refused where it cannot be so."""

from __future__ import annotations

import pytest

from hubmerge.errors import SpecError
from hubmerge.specs.spec import FLIP, PERMUTE, SCALE
from tests.helpers.families import bound, line_of

TOY = """\
batchnorm_eps = 1e-5

[match]
model_type = "toy"

[fixed]
pixel = {}
label = {}

[space]
unit = { may = "scale", through = "act" }

[param]
"first.weight"  = "unit pixel"
"norm.weight?"  = "unit"
"second.weight" = "label unit'"

[buffer]
"norm.running_var?" = "unit"

[behind]
"norm?" = "first"
"""
SHAPES = {"first.weight": (6, 4), "second.weight": (3, 6)}
LAYER_NORM = {**SHAPES, "norm.weight": (6,)}
BATCH_NORM = {**LAYER_NORM, "norm.running_var": (6,)}


@pytest.mark.parametrize(
    ("act", "kind"),
    [("relu", SCALE), ("leaky_relu", SCALE), ("tanh", FLIP), ("gelu", PERMUTE), ("relu6", PERMUTE)],
)
def test_an_activation_function_says_what_a_space_may(tmp_path, act, kind):
    assert bound(tmp_path, TOY, SHAPES, act=act).spaces["unit"].may == kind


@pytest.mark.parametrize(
    ("act", "kind"), [("relu", SCALE), ("tanh", PERMUTE), ("gelu", PERMUTE), ("linear", SCALE)]
)
def test_a_factor_passes_a_max_pool_and_no_sign(tmp_path, act, kind):
    text = TOY.replace('through = "act"', 'through = ["act", "max_pool"]')
    assert bound(tmp_path, text, SHAPES, act=act).spaces["unit"].may == kind


def test_a_sign_passes_a_batch_norm_and_no_layer_norm(tmp_path):
    assert bound(tmp_path, TOY, BATCH_NORM, act="tanh").spaces["unit"].may == FLIP
    assert bound(tmp_path, TOY, LAYER_NORM, act="tanh").spaces["unit"].may == PERMUTE
    assert bound(tmp_path, TOY, LAYER_NORM, act="relu").spaces["unit"].may == SCALE


def test_what_stands_in_front_of_a_norm_is_known(tmp_path):
    spec = bound(tmp_path, TOY, BATCH_NORM, act="relu")
    assert [(norm.module, norm.batch) for norm in spec.behind] == [("norm", True)]
    assert {"first.weight", "norm.running_var"} <= spec.in_front["unit"]
    assert not bound(tmp_path, TOY, LAYER_NORM, act="relu").behind[0].batch
    assert bound(tmp_path, TOY, SHAPES, act="relu").behind == ()


def test_a_spec_can_be_narrowed(tmp_path):
    spec = bound(tmp_path, TOY, BATCH_NORM, act="relu")
    assert spec.scales
    assert spec.allowing("all") is spec
    assert spec.symmetry == "all"
    assert spec.allowing("scales").scaled_spaces() == ["unit"]
    assert spec.allowing("scales").symmetry == "scales"
    for narrower in (spec.allowing("maps"), spec.allowing("permutations")):
        assert not narrower.scales
        assert not narrower.has_form
        assert narrower.free_spaces() == spec.free_spaces()


def refused(tmp_path, old, new, shapes=BATCH_NORM, **config):
    text = TOY.replace(old, new)
    assert text != TOY
    with pytest.raises(SpecError) as error:
        bound(tmp_path, text, shapes, **{"act": "relu", **config})
    line = line_of(text, new.splitlines()[0]) if new else None
    assert line is None or f"line {line}" in error.value.source
    return str(error.value)


def test_an_unknown_activation_field_is_no_guess(tmp_path):
    said = refused(tmp_path, 'through = "act"', 'through = "activation"')
    assert "activation = None" in said
    assert '"max_pool"' in said
    said = refused(tmp_path, 'through = "act"', 'through = ["max_pool", "act", "pool"]')
    assert "through 'pool'" in said
    with pytest.raises(SpecError, match="at least 1"):
        bound(tmp_path, TOY.replace('through = "act"', "through = []"), SHAPES)


def test_only_a_scale_goes_through_something(tmp_path):
    assert "'rotate' through 'act'" in refused(tmp_path, 'may = "scale"', 'may = "rotate"')
    assert "did you mean 'scale'?" in refused(tmp_path, 'may = "scale"', 'may = "scales"')


def test_a_norm_must_stand_behind_what_it_says(tmp_path):
    said = refused(tmp_path, '"norm?" = "first"', '"norm?" = "second.weight"')
    assert "norm does not stand behind second.weight" in said
    assert "no line" in said
    refused(tmp_path, '"norm?" = "first"', '"norms" = "first"')


def test_a_batch_norm_needs_its_eps(tmp_path):
    said = refused(tmp_path, "batchnorm_eps = 1e-5\n", "")
    assert "batchnorm_eps = 1e-5" in said


def test_what_lies_within_another_space_is_not_scaled(tmp_path):
    text = TOY.replace("unit = { may", 'head = 2\nunit = { within = "head", may')
    text = text.replace('"unit pixel"', '"(head unit) pixel"').replace("unit'\"", "(head unit')\"")
    with pytest.raises(SpecError, match="lies within 'head'"):
        bound(tmp_path, text, SHAPES, act="relu")
