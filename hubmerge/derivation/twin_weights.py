"""Weights of a twin: generic, so that nothing hides, and large enough for signals to last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

Module = TypeVar("Module", bound=nn.Module)


def settle(model: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    """Gives batch norms statistics near those of what enters them, in place.

    Otherwise signals of a deep network would fade away among its biases.
    """

    def near(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        axes = [n for n in range(args[0].ndim) if n != 1]
        mean, variance = args[0].mean(axes), args[0].var(axes, unbiased=False)
        variance = variance.clamp_min(0.25 * float(variance.mean()) + 1e-6)
        module.running_mean.mul_(variance.sqrt()).add_(mean)  # type: ignore[operator]
        module.running_var.mul_(variance)  # type: ignore[operator]

    norms = [m for m in model.modules() if isinstance(getattr(m, "running_var", None), Tensor)]
    handles = [norm.register_forward_pre_hook(near) for norm in norms]
    try:
        if norms:
            with torch.no_grad():
                model(**inputs)
    finally:
        for handle in handles:
            handle.remove()


def plain(model: PreTrainedModel) -> None:
    """Experts and attention computed by operations that can be traced, where a choice is left."""
    for choose in ("set_experts_implementation", "set_attn_implementation"):
        try:
            getattr(model, choose)("eager")
        except Exception:  # a class may know only one
            continue


def generic(model: Module, seed: int) -> Module:
    """Matrices so large that signals neither vanish nor saturate; in place."""
    generator = torch.Generator().manual_seed(seed + 1)
    seen: set[int] = set()
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim < 2 or value.data_ptr() in seen or not value.is_floating_point():
                continue
            seen.add(value.data_ptr())
            wanted = (value.numel() / value.shape[0]) ** -0.5
            spread = float(value.std()) if value.numel() > 1 else 0.0
            centred = abs(float(value.mean())) < 0.5 * spread
            if centred and spread < 0.5 * wanted:
                noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
                value.copy_(wanted * noise)
    return model
