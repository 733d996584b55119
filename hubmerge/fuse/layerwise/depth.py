"""Which tensors of a model belong before a layer: by when the modules that own them begin."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor, nn

from hubmerge.fuse.layerwise.layers import as_layer
from hubmerge.utils.hooks import removed


def begun_before(
    layers: Collection[str], model: nn.Module, probe: Mapping[str, Tensor]
) -> frozenset[str]:
    """Names of the tensors of modules that begin before the first of `layers` does.

    A module with layers inside begins with the first of them: what stands beside a block's layers
    belongs to the block. One that is not run begins with the one it is a part of.
    """
    order = {name: place for place, name in enumerate(_begun(model, probe))}
    first = min(order[name] for name in layers)
    inner = [n for n, module in model.named_modules() if n in order and as_layer(module)]

    def begins(name: str) -> int:
        within = [order[each] for each in inner if _in(each, name)]
        if within:
            return min(within)
        return order[name] if name in order else begins(name.rpartition(".")[0])

    owners = {name.rpartition(".")[0] for name in model.state_dict()}
    before = {owner for owner in owners if begins(owner) < first}
    return frozenset(name for name in model.state_dict() if name.rpartition(".")[0] in before)


def _in(name: str, outer: str) -> bool:
    return not outer or name == outer or name.startswith(f"{outer}.")


def _begun(model: nn.Module, probe: Mapping[str, Tensor]) -> list[str]:
    """Modules in the order in which they first begin."""
    begun: dict[str, None] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda module, args: begun.setdefault(name)

    handles = [module.register_forward_pre_hook(note(n)) for n, module in model.named_modules()]
    with removed(handles), torch.inference_mode():
        model(**probe)
    return list(begun)
