"""Which class a model is of, and models of that class that hold no values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.dynamic_module_utils import get_class_from_dynamic_module

import hubmerge.models  # noqa: F401  registers the MLP head with the Auto classes
from hubmerge.errors import FamilyError, WeightsError
from hubmerge.errors.wording import quoted
from hubmerge.hub.config_limits import ANYTHING, Stored
from hubmerge.hub.describe import Description
from hubmerge.hub.layout import CONFIG
from hubmerge.models.building import building_at_most
from hubmerge.utils.foreign import refusing


def model_class(config: PreTrainedConfig, code_folder: Path | None = None) -> type[PreTrainedModel]:
    """The class `config.architectures` names: transformers', a registered one, or remote code.

    code_folder: where the model's own python files lie, if they may be run.
    Raises: FamilyError, if the name is unknown.
    """
    name = (config.architectures or [""])[0]
    auto_map = getattr(config, "auto_map", None) or {}
    remote = [path for path in auto_map.values() if isinstance(path, str)]
    for path in remote if code_folder else []:
        if path.rpartition(".")[2] == name:
            with refusing(partial(_stale, path)):
                return get_class_from_dynamic_module(path, str(code_folder))
    builtin = getattr(transformers, name, None) if name else None
    if isinstance(builtin, type) and issubclass(builtin, PreTrainedModel):
        return builtin
    for registered in _registered(type(config)):
        if registered.__name__ == name:
            return registered
    raise FamilyError(
        f"the architecture {quoted(name)} is unknown",
        found=f'"architectures" in {CONFIG}, model_type {config.model_type!r}',
        hint="it is a class of transformers, or one registered with its Auto classes",
    )


def _stale(path: str, said: str) -> WeightsError:
    return WeightsError(
        f"the code that {CONFIG} names cannot be used: {path}",
        found=said,
        hint='"auto_map" may be older than the repository, or meant for another transformers',
    )


def _registered(config_class: type[PreTrainedConfig]) -> Iterator[type[PreTrainedModel]]:
    for auto in _auto_classes():
        mapping = getattr(auto, "_model_mapping", {})
        if config_class in mapping:
            found = mapping[config_class]
            yield from found if isinstance(found, tuple | list) else (found,)


@cache
def _auto_classes() -> tuple[Any, ...]:
    """Listed once, and by `__all__`: `dir` takes a time that grows with the square of all names."""
    every: list[str] = transformers.__all__  # type: ignore[attr-defined]
    names = {name for name in every if name.startswith("AutoModel")}
    return tuple(getattr(transformers, name) for name in sorted(names))


@contextmanager
def made_of(description: Description) -> Iterator[None]:
    """Inside, a model of that configuration is made: no larger than what is stored, or refused.

    Raises: WeightsError.
    """
    ref, header = description.source.ref, description.header
    stored = ANYTHING if header is None else Stored.of(header)

    def larger(found: str) -> WeightsError:
        return WeightsError(
            f"{CONFIG} of {ref} asks for more than its weights hold",
            found=found,
            hint="it does not belong to these weights, or weights are missing",
        )

    def unusable(said: str) -> WeightsError:
        return WeightsError(f"no model can be made of the {CONFIG} of {ref}", found=said)

    with refusing(unusable), building_at_most(stored.tensors, stored.elements, larger):
        yield


def skeleton(config: PreTrainedConfig, code_folder: Path | None = None) -> PreTrainedModel:
    """The model `config` describes, without memory for its weights.

    code_folder: where the model's own python files lie, if they may be run.
    Raises: FamilyError, if its class is unknown.
    """
    kind = model_class(config, code_folder)
    with torch.device("meta"):
        return kind(config).eval()
