"""A spec of any module, derived from itself: its class knows no smaller one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from hubmerge.derivation.budget import timed
from hubmerge.derivation.derive import Derived, derive_of
from hubmerge.derivation.twin import Twin, parameters
from hubmerge.derivation.twin_weights import generic, settle
from hubmerge.errors import DerivationError, RecipeError
from hubmerge.models.probe import shaken


class ModuleConfig(PreTrainedConfig):
    """What stands where a model of transformers has its configuration."""

    model_type = "module"
    tie_word_embeddings = True


def derive_module(model: nn.Module, inputs: Mapping[str, Tensor], seed: int = 0) -> Derived:
    """The spec of `model`, derived from a copy of it in float64 with generic weights.

    inputs: of its forward, by name, as `by_name` makes them.
    Raises: as `derive`; DerivationError also where the forward does not take the inputs.
    """
    kind = type(model)
    config = ModuleConfig(architectures=[kind.__name__])
    precise = {n: v.double() if v.is_floating_point() else v for n, v in inputs.items()}
    with timed(kind.__name__):
        copy = generic(shaken(model, seed).double().eval(), seed)
        try:
            with torch.no_grad():
                copy(**precise)
        except Exception as error:  # each module refuses in its own way
            shown = ", ".join(f"{name} {list(value.shape)}" for name, value in inputs.items())
            raise DerivationError(
                f"a {kind.__name__} does not take the example inputs in float64",
                found=f"{shown}: {type(error).__name__}: {error}",
                hint="give a tensor, several in order, or a dictionary by names of its forward",
            ) from error
        settle(copy, precise)
        return derive_of(Twin(copy, precise, model, config, config, parameters(copy)), kind, seed)


def by_name(model: nn.Module, inputs: Any) -> dict[str, Tensor]:
    """Example inputs by the names of the forward's parameters.

    inputs: a tensor, several in order, or a dictionary. Raises: RecipeError, if it is none of
    these, or there are more than the forward takes by name.
    """
    given = [inputs] if isinstance(inputs, Tensor) else inputs
    if isinstance(given, Mapping) and given and all(isinstance(v, Tensor) for v in given.values()):
        return {str(name): value for name, value in given.items()}
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    takes = [n for n, p in inspect.signature(model.forward).parameters.items() if p.kind in plain]
    fitting = isinstance(given, Sequence) and 0 < len(given) <= len(takes)
    if not fitting or not all(isinstance(each, Tensor) for each in given):
        raise RecipeError(
            f"matching modules takes example inputs of a {type(model).__name__}",
            found=f"{type(inputs).__name__}; its forward takes {', '.join(takes) or 'nothing'}",
            hint="inputs=x with a tensor, several in order, or a dictionary by those names",
        )
    return dict(zip(takes, given, strict=False))
