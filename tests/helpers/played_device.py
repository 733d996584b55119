"""An accelerator that the CPU plays: tensors on it say so, and are not mixed with others unseen.

It computes what the CPU does, so that results can be compared to the bit. What it shows is where
every tensor is: as on a real one, an operation on tensors of two devices is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("lazy")
"""One that every build of torch knows by name, and that has nothing of its own."""
MOVES = {torch.ops.aten._to_copy, torch.ops.aten.copy_, torch.ops.aten.to}
"""What may be given tensors of two devices."""


class There(Tensor):
    """A tensor on the accelerator. held: what it is made of."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> There:
        made = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _played(func, args, kwargs or {})


class _Played(TorchDispatchMode):
    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _played(func, args, kwargs or {})


@contextmanager
def played_device() -> Iterator[torch.device]:
    """Inside, this thread has one more device."""
    with torch.library._scoped_library("aten", "IMPL") as library, _Played():
        library.impl("empty.memory_format", _empty, "Lazy")  # which indexing asks for by itself
        library.impl("_copy_from", _copied, "Lazy")
        yield DEVICE


def _device(
    func: Any, args: Any, kwargs: dict[str, Any]
) -> tuple[torch.device | None, Any, dict[str, Any]]:
    """The device that an operation is asked for; what it is given, the CPU in its place."""
    names = [each.name for each in func._schema.arguments]
    at = names.index("device") if "device" in names else len(args)
    given = args[at] if at < len(args) else kwargs.get("device")
    if given is None:
        return None, args, kwargs
    asked = torch.device(given)
    real = torch.device("cpu") if asked == DEVICE else asked
    if at < len(args):
        return asked, (*args[:at], real, *args[at + 1 :]), kwargs
    return asked, args, {**kwargs, "device": real}


def _reshaped(func: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Changes the shape of the tensor itself as that of what it is made of changes."""
    before = torch._C._meta_in_tls_dispatch_include()
    torch._C._set_meta_in_tls_dispatch_include(True)
    try:
        with torch._C._DisableTorchDispatch():
            func(*args, **kwargs)
    finally:
        torch._C._set_meta_in_tls_dispatch_include(before)


def _empty(size: Any, **kwargs: Any) -> Tensor:
    return There(torch.empty(size, dtype=kwargs.get("dtype"), device="cpu"))


def _played(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [leaf for leaf in given if isinstance(leaf, There)]
    moves = func.overloadpacket in MOVES
    asked, args, kwargs = _device(func, args, kwargs)
    if asked is not None:
        to_it = asked == DEVICE
    else:
        to_it = isinstance(given[0], There) if moves else bool(there)
    if there and not moves and any(not isinstance(t, There) and t.ndim for t in given):
        raise RuntimeError(f"{func} of tensors on two devices")
    if to_it and isinstance(kwargs.get("generator"), torch.Generator):
        raise RuntimeError(f"{func} on {DEVICE} by a generator of the CPU")
    if there and torch.Tag.inplace_view in func.tags:
        _reshaped(func, args, kwargs)
    args, kwargs = tree_map(lambda v: v.held if isinstance(v, There) else v, (args, kwargs))
    made = func(*args, **kwargs)
    if moves and given and made is args[0] and to_it != isinstance(given[0], There):
        made = made.clone()
    if not to_it:
        return made
    held = {id(leaf.held): leaf for leaf in there}  # what is changed in place stays what it was

    def placed(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        own = held.get(id(value))
        return There(value) if own is None else own

    return tree_map(placed, made)


def _copied(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    """As `target.copy_(source)`."""
    here, there = (value.held if isinstance(value, There) else value for value in (source, target))
    there.copy_(here)
    return target
