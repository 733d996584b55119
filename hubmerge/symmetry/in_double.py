"""A forward in float64 throughout, whatever a model takes down to float32 by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

EAGER = "eager"
"""The implementation of experts whose operations know float64."""


@contextmanager
def in_double(model: nn.Module) -> Iterator[None]:
    """Inside, `model` computes in float64: its experts as well, by operations that know it."""
    config: Any = getattr(model, "config", None)
    before = getattr(config, "_experts_implementation", None)
    with DoubleForSingle():
        if before in (None, EAGER):
            yield
            return
        chosen: Any = model
        chosen.set_experts_implementation(EAGER)
        try:
            yield
        finally:
            chosen.set_experts_implementation(before)


class DoubleForSingle(TorchFunctionMode):
    """Inside, casts to float32 give float64, and what is made without a dtype is float64."""

    def __enter__(self) -> DoubleForSingle:
        self._default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        torch.set_default_dtype(self._default)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is Tensor.float:
            return args[0].double()
        kwargs = kwargs or {}
        if any(value is torch.float32 for value in (*args, *kwargs.values())):
            given = {name: _double(value) for name, value in kwargs.items()}
            return func(*map(_double, args), **given)
        return func(*args, **kwargs)


def _double(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value
