"""Models whose tensors are looked up run on the device that they are moved to, and on no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from transformers import PreTrainedModel

from hubmerge.derivation.twin import on_meta
from hubmerge.models.lookup import looking_up
from tests.helpers import texts
from tests.helpers.played_device import DEVICE, There, played_device


@pytest.mark.parametrize("build", [texts.gpt2, texts.llama])
def test_everything_is_brought_to_the_device_and_back(
    build: Callable[[], PreTrainedModel],
) -> None:
    whole = build().eval()
    lent = looking_up(on_meta(type(whole), whole.config), whole.state_dict())
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
    with torch.inference_mode():
        expected = whole(tokens).logits
        with played_device() as device:
            found = lent.to(device)(tokens.to(device)).logits
            assert lent.device == DEVICE
            assert isinstance(found, There)
            assert torch.equal(found.cpu(), expected)
            head = lent.lm_head.weight
            assert isinstance(head, There)
            lent.to("cpu")
        assert lent.device.type == "cpu"
        assert type(lent.lm_head.weight) is torch.Tensor
        assert torch.equal(lent(tokens).logits, expected)
