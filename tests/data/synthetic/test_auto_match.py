"""`auto` without data: synthetic images for models that they can be made for, else weights."""

from __future__ import annotations

import pytest

import hubmerge as hm
from hubmerge.pipeline.find_matches import find_matches
from hubmerge.recipe import make_recipe
from tests.helpers.small_models import save, tiny_resnet, tiny_vit


@pytest.mark.parametrize(
    ("build", "processor", "method"),
    [
        pytest.param(tiny_resnet, {}, "synthetic", marks=pytest.mark.slow),
        (tiny_vit, {"do_resize": False}, "synthetic"),
        (tiny_resnet, {"do_resize": False}, "weights"),
    ],
)
def test_in_python_and_on_the_command_line_it_is_one(tmp_path, build, processor, method):
    refs = [str(save(tmp_path / n, build(seed), **processor)) for seed, n in enumerate("ab")]
    a, b = map(hm.load, refs)
    assert hm.match(a, b, by="auto").match.method == method
    (found,) = find_matches(make_recipe(models=tuple(refs), match="auto"))
    assert found.method == method
