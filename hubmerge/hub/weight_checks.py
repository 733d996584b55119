"""What weights are refused for once they are loaded: gaps, NaN, what no training gives."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from hubmerge.errors import WeightsError
from hubmerge.hub.layout import CONFIG
from hubmerge.hub.stored_names import without_counters
from hubmerge.utils.limits import LARGEST_WEIGHT

SHOWN = 5
"""Tensor names quoted in an error."""


def refuse_unmatched(found: dict[str, Any], ref: str) -> None:
    """Raises: WeightsError, if `from_pretrained` could not match every key.

    found: the loading info of transformers: missing_keys, unexpected_keys, mismatched_keys (name,
    shape in the file, shape in the model), error_msgs.
    """
    said = []
    for word in ("missing", "unexpected"):
        if keys := without_counters(found[f"{word}_keys"]):
            said.append(f"{word}: {_some(keys)}")
    mismatched = [
        f"{name} {list(stored)}, the model has {list(expected)}"
        for name, stored, expected in sorted(found["mismatched_keys"])
    ]
    if mismatched:
        said.append(f"mis-shaped: {_some(mismatched)}")
    said.extend(str(message) for message in found.get("error_msgs") or [])
    if said:
        raise WeightsError(
            f"the weights of {ref} do not fit its {CONFIG}",
            found="\n".join(said),
            hint="transformers would fill the gaps with random values; save the model again "
            "with save_pretrained",
        )


def refuse_negative_variances(model: PreTrainedModel, ref: str) -> None:
    """Raises: WeightsError, if a batch norm's running variance is below 0."""
    bad = [
        f"{name} ({int((tensor < 0).sum())} of {tensor.numel()}, down to {float(tensor.min()):.3g})"
        for name, tensor in model.state_dict().items()
        if name.endswith("running_var") and (tensor < 0).any()
    ]
    if bad:
        raise WeightsError(
            f"running variances of {ref} are negative, which no variance is",
            found=_some(bad),
            hint="the file is damaged, or was averaged or edited without care: take another "
            "checkpoint",
        )


def refuse_non_finite(model: PreTrainedModel, ref: str) -> None:
    """Raises: WeightsError, if a parameter or buffer holds NaN or infinity, or a parameter a number
    so large that no output can be computed from it.
    """
    bad = [
        f"{name} ({int((~torch.isfinite(tensor)).sum())} of {tensor.numel()})"
        for name, tensor in model.state_dict().items()
        if not torch.isfinite(tensor).all()
    ]
    if bad:
        raise WeightsError(
            f"weights of {ref} are NaN or infinite",
            found=_some(bad),
            hint="its training diverged or its dtype overflowed: take another checkpoint",
        )
    large = [
        f"{name} (up to {float(parameter.detach().abs().max()):.3g})"
        for name, parameter in model.named_parameters()
        if parameter.numel() and float(parameter.detach().abs().max()) > LARGEST_WEIGHT
    ]
    if large:
        raise WeightsError(
            f"weights of {ref} are enormous: sums of their products are no numbers in float32",
            found=_some(large),
            hint="its training diverged, or the file is damaged: take another checkpoint",
        )


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
