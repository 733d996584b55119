"""Narrower configurations: what holds between widths of the real model still holds."""

from __future__ import annotations

import pytest
from transformers import (
    AlignConfig,
    ClapConfig,
    EfficientNetConfig,
    MobileViTConfig,
    Wav2Vec2BertConfig,
    WavLMConfig,
)

from hubmerge.derivation.depth import depth_of, shallow
from hubmerge.derivation.width import narrower, narrowest, proportional

both = pytest.mark.parametrize("narrow", [narrowest, narrower])


@both
def test_widths_that_differ_in_a_list_still_differ(narrow) -> None:
    real = MobileViTConfig()
    found = narrow(real)
    assert len({*found.neck_hidden_sizes}) == len({*real.neck_hidden_sizes})
    assert max(found.neck_hidden_sizes) < max(real.neck_hidden_sizes)


@both
def test_a_kernel_is_no_width(narrow) -> None:
    assert narrow(Wav2Vec2BertConfig()).conv_depthwise_kernel_size == 31


@both
def test_towers_are_projected_to_one_width(narrow) -> None:
    found = narrow(ClapConfig())
    assert found.projection_dim < 512
    assert found.text_config.projection_dim == found.projection_dim
    assert found.audio_config.projection_dim == found.projection_dim


@both
def test_what_joins_a_network_of_tables_is_as_wide_as_its_last(narrow) -> None:
    found = narrow(AlignConfig())
    last = found.vision_config.out_channels[-1] * found.vision_config.width_coefficient
    assert found.projection_dim == last == 40


def test_many_heads_stay_where_the_widths_have_nothing_else_in_common() -> None:
    found = proportional(WavLMConfig())  # a width of 1500 among others
    assert (found.num_attention_heads, found.hidden_size) == (12, 96)


def test_layers_are_repeated_less_only_in_a_shallower_model() -> None:
    real = EfficientNetConfig()
    assert shallow(real, 2).depth_coefficient == 1.0
    assert shallow(real, depth_of(real)).depth_coefficient == real.depth_coefficient == 3.1
