"""Two models of timm in the wrapper of transformers, matched by a derived spec and averaged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import TimmWrapperConfig, TimmWrapperForImageClassification
from transformers.utils import is_timm_available

import hubmerge as hm
from hubmerge.derivation.derive import derive
from hubmerge.models import shaken
from hubmerge.specs.family import named
from hubmerge.symmetry.permutation import permute, random_permutation

pytestmark = pytest.mark.skipif(not is_timm_available(), reason="timm is not installed")

SMALL = {"resnet18": {"channels": [64, 12, 16, 20]}, "resnet50": {"channels": [64, 4, 6, 8]}}


@pytest.mark.parametrize("architecture", SMALL)
def test_a_planted_order_is_recovered_and_the_average_is_a(architecture: str, tmp_path: Path):
    torch.manual_seed(0)
    config = TimmWrapperConfig(
        architecture=architecture,
        model_args=SMALL[architecture],
        id2label=dict(enumerate(("ant", "bee", "cat", "dog"))),
        label2id={"ant": 0, "bee": 1, "cat": 2, "dog": 3},
        pretrained_cfg={"input_size": [3, 64, 64]},
    )
    a = shaken(TimmWrapperForImageClassification(config)).eval()
    spec = derive(named(a.config, type(a)), type(a)).spec.permutations_only
    assert spec.free_spaces()
    b = TimmWrapperForImageClassification(config).eval()
    b.load_state_dict(permute(spec, a.state_dict(), random_permutation(spec, 1)))
    found = hm.match(a, b, by="weights")
    merged = hm.merge(a, found.apply(b), t=0.5)
    merged.save_pretrained(tmp_path)
    read = TimmWrapperForImageClassification.from_pretrained(tmp_path).eval()
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            read(pixel_values=pixels).logits, a(pixel_values=pixels).logits, rtol=1e-4, atol=1e-5
        )
