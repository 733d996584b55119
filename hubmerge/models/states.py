"""States: a model's tensors by name, and models that hold other tensors."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel


def with_state(model: PreTrainedModel, state: Mapping[str, Tensor]) -> PreTrainedModel:
    """A copy of `model` that holds `state`."""
    holder = copy.deepcopy(model)
    holder.load_state_dict(dict(state))
    return holder.eval()


def holds(model: PreTrainedModel, state: Mapping[str, Tensor]) -> bool:
    """Whether the tensors of `state` are the model's own, and not merely equal to them."""
    own = model.state_dict()
    return own.keys() == state.keys() and all(map(_is_one, own.values(), map(state.get, own)))


def further_names(model: PreTrainedModel) -> set[str]:
    """Names of parameters that have an earlier name as well, as tied ones do."""
    every = dict(model.named_parameters(remove_duplicate=False))
    return every.keys() - dict(model.named_parameters()).keys()


def sharing_tensors(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of `model` that holds the very tensors of it, to be given others in their place."""
    own = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in own})


def _is_one(tensor: Tensor, other: Tensor | None) -> bool:
    """Whether two tensors are the same numbers in memory."""
    return (
        other is not None
        and tensor.data_ptr() == other.data_ptr()
        and (tensor.dtype, tensor.shape) == (other.dtype, other.shape)
        and tensor.stride() == other.stride()
    )


def in_dtypes_of(state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` with the dtypes of `like`; the very tensors where they have them already."""
    return {name: value.to(like[name].dtype) for name, value in state.items()}


def cosine(state: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """Cosine between the matrices and kernels of two states, all taken as one vector."""
    names = [n for n, value in state.items() if value.ndim > 1 and value.is_floating_point()]
    pairs = [(state[name].double(), other[name].double()) for name in names]
    products = torch.stack(
        [torch.stack([(x * y).sum(), (x * x).sum(), (y * y).sum()]) for x, y in pairs]
    ).sum(0)
    both, one, two = products.tolist()
    return both / (one * two) ** 0.5 if one * two else 1.0
