"""Building a model no larger than what is stored for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from hubmerge.errors import HubmergeError
from hubmerge.utils.limits import MODULES_MORE, MODULES_PER_TENSOR, UNSTORED_ELEMENTS

TIED = 2
"""How many parameters may be one stored tensor: a head is made before it is tied to embeddings."""
MORE_TENSORS = 64
"""Parameters besides, so that a model that lacks some is named by what it lacks."""
MORE_ELEMENTS = 2**22
"""Their numbers."""


@contextmanager
def building_at_most(
    tensors: int, elements: int, refuse: Callable[[str], HubmergeError]
) -> Iterator[None]:
    """Inside, a model that turns out larger is given up while it is being made.

    tensors, elements: what is stored. refuse: makes the error of what was found.
    """
    made = {"tensors": 0, "modules": 0, "weights": 0, "numbers in tables": 0}
    most = {
        "tensors": TIED * tensors + MORE_TENSORS,
        "modules": MODULES_PER_TENSOR * tensors + MODULES_MORE,
        "weights": TIED * elements + MORE_ELEMENTS,
        "numbers in tables": TIED * elements + UNSTORED_ELEMENTS,
    }

    def count(what: str, more: int) -> None:
        made[what] += more
        if made[what] > most[what]:
            raise refuse(
                f"more than {most[what]:,} {what}; {tensors:,} tensors of {elements:,} numbers "
                "are stored"
            )

    def parameter(module: Any, name: str, value: Any) -> None:
        if value is not None:
            count("tensors", 1)
            count("weights", value.numel())

    def buffer(module: Any, name: str, value: Any) -> None:
        if value is not None:
            count("numbers in tables", value.numel())

    def part(module: Any, name: str, value: Any) -> None:
        count("modules", 1)

    hooks = [
        register_module_parameter_registration_hook(parameter),
        register_module_buffer_registration_hook(buffer),
        register_module_module_registration_hook(part),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
