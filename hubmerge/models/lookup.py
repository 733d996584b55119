"""Models without weights of their own, whose modules look them up in a state as they run.

So what a model says can be measured in little more memory than one of its modules takes: of a
checkpoint on disk, or of a point between several. Every value and operation is that of the whole
model, and so is every bit of what it says.
"""

from __future__ import annotations

import copy
import threading
from functools import cache
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import Tensor, nn
from transformers import PreTrainedModel

from hubmerge.models.token_outputs import LOGITS_AT_ONCE
from hubmerge.symmetry.permutation import State
from hubmerge.utils.processor import CPU

LOOKUP = "_hubmerge_lookup"
"""Attribute of a module that looks its tensors up."""

FLOAT32 = 4
"""Bytes of a number."""

ANSWERS = 3
"""Times the logits of one pass that are held while figures are made of them, beside those of every
model that an ensemble asks."""


class _Held(threading.local):
    """What this thread has looked up last: the tensors of one module."""

    def __init__(self) -> None:
        self.by: tuple[_Lookup, torch.device] | None = None
        self.tensors: dict[str, Tensor] = {}


_held = _Held()


class _Lookup:
    """The tensors of one module, looked up when they are asked for, and brought to `device`."""

    def __init__(self, state: State, module: str) -> None:
        self._state, self._module, self.device = state, module, CPU

    def __getitem__(self, name: str) -> Tensor:
        if _held.by != (self, self.device):
            # Those of the module before are given up first.
            _held.by, _held.tensors = (self, self.device), {}
        if name not in _held.tensors:
            full = f"{self._module}.{name}" if self._module else name
            _held.tensors[name] = self._state[full].to(self.device)
        return _held.tensors[name]


def looking_up(skeleton: PreTrainedModel, state: State) -> PreTrainedModel:
    """A model like `skeleton`, whose modules take every tensor from `state` as they use it.

    skeleton: without memory for its weights. state: every tensor of its state dict, in the dtype
    it is to be run in.
    It may be run by several threads at once, each of which holds the tensors of one module, on the
    device that it is moved to, as any model is; at first on the CPU.
    """
    model, made_anew = copy.deepcopy(skeleton), _buffers_made_anew(skeleton)
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        for name in module._buffers:
            if prefix + name in made_anew:
                module._buffers[name] = made_anew[prefix + name]
        held = {**module._parameters, **module._buffers}
        names = tuple(n for n, value in held.items() if value is not None and prefix + n in state)
        if names or module is model:
            module.__dict__[LOOKUP] = _Lookup(state, path)
            kind: Any = type(module)
            module.__class__ = _looking_up(kind, names, module is model)
    return model.eval()


def looks_up(model: nn.Module) -> bool:
    """Whether its modules look their tensors up."""
    return LOOKUP in model.__dict__


def bytes_of_a_pass(model: nn.Module, asked: int = 1) -> int:
    """What a batch takes at the peak that is run through models that look their tensors up.

    asked: how many models say something of it before figures are made.
    """
    return largest_tensor(model) + LOGITS_AT_ONCE * (asked + ANSWERS) * FLOAT32


def largest_tensor(model: nn.Module) -> int:
    """Bytes of the largest parameter in float32: what is looked up at a time, at most."""
    return FLOAT32 * max((parameter.numel() for parameter in model.parameters()), default=0)


def _buffers_made_anew(skeleton: PreTrainedModel) -> dict[str, Tensor]:
    """What the class computes of its configuration and no checkpoint holds, by full name."""
    with init_empty_weights(include_buffers=False):
        model = type(skeleton)(copy.deepcopy(skeleton.config))
    stored = skeleton.state_dict().keys()
    return {name: value for name, value in model.named_buffers() if name not in stored}


@cache
def _looking_up(kind: type[Any], names: tuple[str, ...], whole: bool) -> type[Any]:
    """A class like `kind`, whose attributes of these names are looked up.

    whole: whether it is that of a model, which is on a device and can be moved to another.
    """

    def attribute(name: str) -> property:
        return property(lambda module: module.__dict__[LOOKUP][name])

    own: dict[str, Any] = {name: attribute(name) for name in names}
    own |= {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    if whole:
        own |= {"device": property(lambda model: model.__dict__[LOOKUP].device), "to": _moved}
    return type(kind.__name__, (kind,), own)


def _moved(model: nn.Module, device: torch.device | str) -> nn.Module:
    """`model`, run on `device` from now on."""
    for module in model.modules():
        if LOOKUP in module.__dict__:
            module.__dict__[LOOKUP].device = torch.device(device)
        for name, value in module._buffers.items():
            if value is not None and value.device.type != "meta":
                module._buffers[name] = value.to(device)
    return model
