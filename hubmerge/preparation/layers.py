"""Models with some of their layers, and stacks of layers of several models."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedConfig

from hubmerge.errors import MismatchError, RecipeError
from hubmerge.fuse.varying import Depths, depths_of
from hubmerge.hub.config_fields import config_fields
from hubmerge.hub.describe import Description, describe
from hubmerge.hub.fetch import fetch_file
from hubmerge.hub.json_files import read_json
from hubmerge.hub.layout import CONFIG
from hubmerge.hub.model_class import skeleton
from hubmerge.hub.source import Source
from hubmerge.preparation.write import Stored, json_text, stored, write_parent
from hubmerge.streaming.shards import Slot

COUNT = "num_hidden_layers"
"""The field for the number of layers, whatever a family calls it."""

BY_NUMBER = (
    *("mlp_only_layers", "first_k_dense_replace", "decoder_sparse_step", "num_kv_shared_layers"),
    *("moe_layers", "cross_attention_layers", "interleave_moe_layer_step", "attn_layer_period"),
    *("expert_layer_period", "full_attn_idxs", "layers_block_type_period"),
)
"""Fields by which a layer is of a kind for its number."""

_LAYER = re.compile(r"(?P<before>.*?)\.(?P<number>\d+)\.(?P<after>.*)", re.DOTALL)

Scale = Callable[[int, str], float]
"""Number of a model and name of a tensor in it -> what the tensor is multiplied with."""


@dataclass(frozen=True)
class _Taken:
    """Layers of one model: those from `first` up to `end`, which become those from `at` on."""

    model: Stored
    first: int
    end: int
    at: int
    prefix: str

    @property
    def count(self) -> int:
        """How many."""
        return self.end - self.first

    def renamed(self, name: str) -> str | None:
        """A tensor's name in the stack; None for one of a layer that is not taken."""
        layer = _LAYER.fullmatch(name)
        if layer is None or layer["before"] != self.prefix:
            return name
        number = int(layer["number"])
        if not self.first <= number < self.end:
            return None
        return f"{self.prefix}.{number - self.first + self.at}.{layer['after']}"

    def is_of_a_layer(self, name: str) -> bool:
        """Whether a tensor belongs to a layer."""
        layer = _LAYER.fullmatch(name)
        return layer is not None and layer["before"] == self.prefix


def with_layers(
    source: Source, place: Path, *, headers_only: bool, trust_remote_code: bool
) -> Source:
    """A model with those of its layers that are wanted, written into `place`.

    Raises: RecipeError, if it does not have them; MismatchError, if layers are of a kind for their
    number.
    """
    config = describe(source, trust_remote_code=trust_remote_code).config.get_text_config()
    if source.layers == (0, getattr(config, COUNT, None)):
        return replace(source, origins=source.made_of)
    return stacked(
        [source],
        place,
        lambda model, name: 1.0,
        headers_only=headers_only,
        trust_remote_code=trust_remote_code,
    )


def stacked(
    sources: Sequence[Source],
    place: Path,
    scale: Scale,
    *,
    headers_only: bool,
    trust_remote_code: bool,
) -> Source:
    """The layers of all models on top of each other, as one model in `place`.

    What comes before layers is the first model's, what comes after them the last one's; the
    configuration and everything else are the first one's.
    Raises: RecipeError, if a model does not have the layers; MismatchError, if they do not fit.
    """
    with ExitStack() as opened:
        parts: list[_Taken] = []
        for source in sources:
            description = describe(source, trust_remote_code=trust_remote_code)
            model = stored(
                description, headers_only=headers_only, trust_remote_code=trust_remote_code
            )
            opened.callback(model.close)
            parts.append(_taken(model, source, sum(part.count for part in parts)))
        _check_alike(parts)
        first, last = parts[0].model, parts[-1].model
        slots, read, file_of = [], dict[str, tuple[int, str]](), dict[str, str]()
        after = _after_layers(first.description, parts[0].prefix)
        for number, part in enumerate(parts):
            for slot in part.model.slots():
                name = part.renamed(slot.name)
                outside = not part.is_of_a_layer(slot.name)
                owner = last if slot.name in after else first
                if name is None or (outside and part.model is not owner):
                    continue
                slots.append(Slot(name, slot.dtype, slot.shape))
                read[name] = number, slot.name
                file_of[name] = first.file_of.get(name) or _file_for(first, name)

        def value(slot: Slot) -> Tensor:
            number, name = read[slot.name]
            checkpoint = parts[number].model.checkpoint
            assert checkpoint is not None
            by = scale(number, name)
            tensor = checkpoint[name]
            return tensor if by == 1.0 else (tensor.float() * by).to(tensor.dtype)

        write_parent(
            place,
            replace(first, file_of=file_of),
            slots,
            {slot.name for slot in slots},
            value,
            {CONFIG: json_text(_config(parts))},
            trust_remote_code=trust_remote_code,
        )
    return replace(sources[0], folder=place, origins=sources[0].made_of)


def _taken(model: Stored, source: Source, at: int) -> _Taken:
    ref, config = source.ref, model.description.config
    there = getattr(config.get_text_config(), COUNT, None)
    if config.is_encoder_decoder or not isinstance(there, int):
        raise MismatchError(
            f"{ref} has no one stack of layers", found=f"model_type {config.model_type}"
        )
    first, end = (0, there) if source.layers is None else source.layers
    if not 0 <= first < end <= there:
        raise RecipeError(
            f"{ref} does not have the layers {first} to {end - 1}",
            found=f"{there} layers, from 0 to {there - 1}",
            field="models",
        )
    for name in BY_NUMBER:
        if getattr(config.get_text_config(), name, None) not in (None, [], 0, 1):
            raise MismatchError(
                f"layers of {ref} are of a kind for their number, and cannot be moved",
                found=f"{name} {getattr(config.get_text_config(), name)!r}",
                source=CONFIG,
            )
    depths: Depths = depths_of(model.headers)
    prefixes = [prefix for prefix, count in depths.items() if count == there]
    if len(prefixes) != 1:
        raise MismatchError(
            f"it is not known which tensors of {ref} are those of its {there} layers",
            found=", ".join(f"{prefix}: {count}" for prefix, count in depths.items()) or "none",
        )
    return _Taken(model, first, end, at, prefixes[0])


def _file_for(model: Stored, name: str) -> str:
    """A file for a tensor that the first model does not have: that of its last layers."""
    return max(model.file_of.values())


def _after_layers(description: Description, prefix: str) -> set[str]:
    """Names of tensors that come after the layers."""
    names = [*skeleton(description.config, description.code_folder).state_dict()]
    layers = [n for n, name in enumerate(names) if name.startswith(f"{prefix}.")]
    return set(names[layers[-1] + 1 :]) if layers else set()


def _check_alike(parts: Sequence[_Taken]) -> None:
    """Raises: MismatchError, by the first field in which the models differ but for their layers."""
    first, *others = (part.model.description for part in parts)
    fields = [_compared(each.config) for each in (first, *others)]
    for other, said in zip(others, fields[1:], strict=True):
        for name in {**fields[0], **said}:
            if fields[0].get(name) != said.get(name):
                raise MismatchError(
                    f"the models differ in {name}",
                    found=f"{fields[0].get(name)!r} in {first.source.ref}\n"
                    f"{said.get(name)!r} in {other.source.ref}",
                    source=CONFIG,
                    hint="layers of models of one architecture and size are stacked",
                )


def _compared(config: PreTrainedConfig) -> dict[str, Any]:
    text = config.get_text_config()
    lists = {*_layer_lists(text)}
    names = {COUNT, _own_name(text), *lists}
    return {
        name: value
        for name, value in config_fields(config).compared.items()
        if name.split(".")[-1] not in names
    }


def _own_name(config: PreTrainedConfig) -> str:
    """What a family calls the number of its layers."""
    return str((config.attribute_map or {}).get(COUNT, COUNT))


def _layer_lists(config: PreTrainedConfig) -> dict[str, list[Any]]:
    """Fields with one value for each layer."""
    count = getattr(config, COUNT)
    return {
        name: value
        for name, value in copy.deepcopy(config).to_dict().items()
        if isinstance(value, list) and len(value) == count and name != "architectures"
    }


def _config(parts: Sequence[_Taken]) -> dict[str, Any]:
    """The first model's configuration, for as many layers as there are."""
    about = parts[0].model.description
    fields = read_json(fetch_file(about.source, CONFIG), about.source.ref)
    text = about.config.get_text_config()
    own = fields if text is about.config else _inner(fields, about.config)
    own[_own_name(text)] = sum(part.count for part in parts)
    lists: list[Mapping[str, list[Any]]] = [
        _layer_lists(part.model.description.config.get_text_config()) for part in parts
    ]
    for name in lists[0]:
        if all(name in each for each in lists):
            own[name] = [
                value
                for each, part in zip(lists, parts, strict=True)
                for value in each[name][part.first : part.end]
            ]
    return fields


def _inner(fields: dict[str, Any], config: PreTrainedConfig) -> dict[str, Any]:
    """The part of a configuration that is the text model's."""
    text = config.get_text_config()
    for name, value in fields.items():
        if isinstance(value, dict) and getattr(config, name, None) is text:
            return value
    raise MismatchError(
        "it is not known where a configuration says how many layers there are",
        found=f"model_type {config.model_type}",
    )
