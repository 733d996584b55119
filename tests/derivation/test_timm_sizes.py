"""Models of timm are narrowed by the arguments of their class."""

from __future__ import annotations

import pytest
from transformers import PreTrainedConfig
from transformers.utils import is_timm_available

from hubmerge.derivation.timm_sizes import narrow_timm

pytestmark = pytest.mark.skipif(not is_timm_available(), reason="timm is not installed")


@pytest.mark.parametrize(
    ("architecture", "args"),
    [
        ("resnet18", {"channels": [64, 12, 20, 28]}),
        ("convnext_atto", {"dims": [8, 12, 20, 28]}),
        ("vit_tiny_patch16_224", {"embed_dim": 24, "img_size": 64}),
        ("vgg11_bn", {}),
    ],
)
def test_widths_are_those_of_the_arguments(architecture, args):
    config = PreTrainedConfig(model_type="timm_wrapper", architecture=architecture, model_args={})
    narrow_timm(config)
    assert config.model_args == args
