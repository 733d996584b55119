"""What an adapter makes of the tensors of its base."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hubmerge.errors import WeightsError
from hubmerge.hub.layout import TensorHeader
from hubmerge.preparation.adapters.config import AdapterConfig

PREFIX = "base_model.model."
"""What names of an adapter's tensors begin with."""

_PART = re.compile(
    r"(?P<module>.+?)\.(?P<part>lora_A|lora_B|lora_embedding_A|lora_embedding_B"
    r"|lora_magnitude_vector)(\.default)?(\.weight)?"
)
PAIRS = (("lora_A", "lora_B"), ("lora_embedding_A", "lora_embedding_B"))
MAGNITUDE = "lora_magnitude_vector"


@dataclass(frozen=True)
class Module:
    """The tensors of an adapter for one module. parts: part -> its name in the file."""

    name: str
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def pair(self) -> tuple[str, str]:
        """The names of its two matrices, the one that is applied first being the first."""
        first, second = next(each for each in PAIRS if each[0] in self.parts)
        return self.parts[first], self.parts[second]


@dataclass(frozen=True)
class Contents:
    """What a file of an adapter holds. modules: by the name of the tensor that they change. whole:
    name of a tensor of the model -> name in the file of what replaces it.
    """

    modules: Mapping[str, Module]
    whole: Mapping[str, str]


def contents(
    headers: Mapping[str, TensorHeader], known: Iterable[str], config: AdapterConfig, ref: str
) -> Contents:
    """The tensors of an adapter, by those of the model that they belong to.

    known: names of the model's tensors. Raises: WeightsError, for a tensor that belongs to none, or
    is not of a kind that is known.
    """
    names, parts, whole = set(known), dict[str, dict[str, str]](), dict[str, str]()
    for name in headers:
        plain = name.removeprefix(PREFIX)
        found = _PART.fullmatch(plain)
        if found:
            parts.setdefault(found["module"], {})[found["part"]] = name
            continue
        plain = re.sub(r"\.(modules_to_save(\.default)?|base_layer)\.", ".", plain)
        if plain not in names:
            raise _unknown(ref, name)
        whole[plain] = name
    modules: dict[str, Module] = {}
    for module, there in parts.items():
        if f"{module}.weight" not in names:
            raise _unknown(ref, f"{module}.weight")
        pair = next((p for p in PAIRS if set(p) <= there.keys()), None)
        if pair is None or there.keys() - {*pair, MAGNITUDE}:
            raise _unknown(ref, f"{module}: {', '.join(sorted(there))}")
        if (MAGNITUDE in there) != config.dora or (config.dora and pair == PAIRS[1]):
            raise _unknown(ref, f"{module}: {', '.join(sorted(there))}, use_dora {config.dora}")
        modules[f"{module}.weight"] = Module(module, there)
    return Contents(modules, whole)


def adapted(
    weight: Tensor, module: Module, read: Mapping[str, Tensor], config: AdapterConfig, ref: str
) -> Tensor:
    """A weight of the base with what a module of the adapter adds to it: float32.

    read: the adapter's tensors, by their names in its file.
    Sources: arXiv:2106.09685, section 4.1; of magnitudes arXiv:2402.09353, section 4.1.
    Raises: WeightsError, if shapes do not fit, or a value is not finite.
    """
    first, second = (read[name].float() for name in module.pair)
    scale = config.scale(module.name, len(first))
    if "lora_embedding_A" in module.parts:
        delta = (second @ first).T * scale
    else:
        delta = (second.flatten(1) @ first.flatten(1)) * scale
        if config.transposed and weight.dim() == 2:
            delta = delta.T
    if delta.numel() != weight.numel() or (weight.dim() == 2 and delta.shape != weight.shape):
        raise WeightsError(
            f"the adapter {ref} does not fit its base",
            found=f"{module.name} is {list(weight.shape)} there, and {list(delta.shape)} here",
        )
    made = weight.float() + delta.reshape(weight.shape)
    if config.dora:
        magnitude = read[module.parts[MAGNITUDE]].float().flatten()
        axis = 0 if config.transposed else 1
        if weight.dim() != 2 or len(magnitude) != made.shape[1 - axis]:
            raise _unknown(ref, f"{module.name}, whose magnitudes are {list(magnitude.shape)}")
        made = made * (magnitude / torch.linalg.norm(made, dim=axis)).unsqueeze(axis)
    if not torch.isfinite(made).all():
        raise WeightsError(
            f"the adapter {ref} makes its base NaN or infinite", found=f"{module.name}.weight"
        )
    return made


def _unknown(ref: str, name: str) -> WeightsError:
    return WeightsError(
        f"the adapter {ref} has a tensor that belongs to nothing in its base",
        found=name,
        hint="is it for another base, or another version of its architecture? merge it into its "
        "base first: peft's merge_and_unload",
    )
