"""Looking at activations while several threads run the same model.

Hooks are registered once, around all passes; each thread finds what its own pass left behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Hook = Callable[[nn.Module, Tensor, Tensor], Tensor | None]
"""Gets a module, what entered it and what left it; what it returns replaces the latter."""


class ThreadValues(threading.local):
    """What the current thread's pass has left so far, by key."""

    def __init__(self) -> None:
        self.values: dict[Any, Any] = {}

    def take(self) -> dict[Any, Any]:
        """Everything seen since the last call, which starts afresh."""
        values, self.values = self.values, {}
        return values


def first_tensor(value: Any) -> Tensor:
    """The tensor a module received or returned, without the extras some put in a tuple with it."""
    return value[0] if isinstance(value, tuple) else value


@contextmanager
def entering(model: nn.Module, looks: Mapping[str, Callable[[Tensor], None]]) -> Iterator[None]:
    """Inside, `looks[name]` gets what enters module `name` on every pass."""

    def hook(look: Callable[[Tensor], None]) -> Callable[..., None]:
        return lambda module, args, kwargs: look(first_tensor((*args, *kwargs.values())))

    modules = dict(model.named_modules())
    with removed(
        [
            modules[name].register_forward_pre_hook(hook(look), with_kwargs=True)
            for name, look in looks.items()
        ]
    ):
        yield


@contextmanager
def leaving(model: nn.Module, looks: Mapping[str, Hook]) -> Iterator[None]:
    """Inside, `looks[name]` gets what enters and leaves module `name`, and may replace it."""

    def hook(look: Hook) -> Callable[..., Any]:
        return lambda module, args, kwargs, output: look(
            module, first_tensor((*args, *kwargs.values())), first_tensor(output)
        )

    modules = dict(model.named_modules())
    with removed(
        [
            modules[name].register_forward_hook(hook(look), with_kwargs=True)
            for name, look in looks.items()
        ]
    ):
        yield


@contextmanager
def removed(handles: Sequence[Any]) -> Iterator[None]:
    """Afterwards, hooks of these handles are no longer there."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def placed(device: torch.device, *models: nn.Module) -> Iterator[None]:
    """Inside, `models` are on `device`; afterwards on the CPU again."""
    for model in models:
        model.to(device)
    try:
        yield
    finally:
        for model in models:
            model.to("cpu")
