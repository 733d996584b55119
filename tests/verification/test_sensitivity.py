"""What last places of weights move a figure by, and what they do not."""

from __future__ import annotations

import numpy as np
import torch

from hubmerge.models.class_outputs import ClassOutputs
from hubmerge.verification.sensitivity import sensitivity
from tests.helpers.small_models import tiny_vit

LABELS = np.arange(20) % 3


def test_a_row_on_a_boundary_may_be_decided_otherwise_and_no_other() -> None:
    model = tiny_vit().eval()
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randn(20, 3, 8, 8, generator=draw)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def most(on_boundary: bool) -> dict[str, float]:
        with torch.no_grad():
            logits = model(pixel_values=pixels).logits.double()
        shift = torch.zeros_like(logits)
        shift.scatter_(1, torch.tensor(LABELS)[:, None], 9)  # all are right by far
        first = logits[0].clone()
        shift[0] = (first.max() - first) if on_boundary else shift[0]  # as close as rounding

        def measured() -> tuple[ClassOutputs, dict[str, float]]:
            with torch.no_grad():
                said = model(pixel_values=pixels).logits.double() + shift
            answers = ClassOutputs(said.numpy(), LABELS)
            return answers, {
                "loss": float(answers.losses().mean()),
                "accuracy": answers.metric.value(),
            }

        return sensitivity(model, measured, measured(), "accuracy".__eq__)

    clear, near = most(False), most(True)
    assert clear["accuracy"] == 0
    assert near["accuracy"] >= 1 / 20
    assert 0 < clear["loss"] < 1e-3
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
