"""Which fields of configurations and image processors decide what a model computes.

A field counts, unless it is known not to change the function, or it belongs to another tool: one
that neither the configuration's class of transformers nor the code of the model knows. A model with
code of its own may read any field, so every one counts.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from transformers import PreTrainedConfig

from hubmerge.tasks import ONE_OF_N

FREE_FIELDS: dict[str, tuple[str, ...]] = {
    "names and provenance": (
        "_name_or_path",
        "name_or_path",
        "_commit_hash",
        "transformers_version",
        "architectures",  # compared on its own
        "tokenizer_class",
        "processor_class",
        "finetuning_task",
        "task_specific_params",
        "auto_map",
    ),
    "how it is stored or computed, not what": (
        "dtype",
        "torch_dtype",
        "use_cache",
        "_attn_implementation",
        "attn_implementation",
        "gradient_checkpointing",
        "chunk_size_feed_forward",
        "output_attentions",
        "output_hidden_states",
        "return_dict",
        "pretraining_tp",
    ),
    "labels, which are brought together by name": ("id2label", "label2id", "num_labels"),
    "the loss only": ("problem_type", "label_smoothing"),
    "dropout: the identity once training is over": (
        "dropout",
        "dropout_rate",
        "hidden_dropout",
        "hidden_dropout_prob",
        "hidden_dropout_rate",
        "attention_dropout",
        "attention_probs_dropout_prob",
        "activation_dropout",
        "classifier_dropout",
        "classifier_dropout_prob",
        "classifier_dropout_rate",
        "drop_path_rate",
        "drop_rate",
        "embd_pdrop",
        "attn_pdrop",
        "resid_pdrop",
        "layerdrop",
    ),
    "initial values, which training has replaced": ("initializer_range", "initializer_factor"),
}
"""Configuration fields that do not change the function, by the reason why. Everything else must
be equal."""

FREE_PROCESSOR_FIELDS = frozenset(
    {"processor_class", "_processor_class", "auto_map", "feature_extractor_type"}
    | {"device", "return_tensors", "disable_grouping"}
)
"""Processor fields that name classes or machines and do not change a pixel."""

BACKENDS = re.compile(r"(Fast|Pil)$|FeatureExtractor$")
"""What the class names of one processor differ in from backend to backend and age to age."""

PROBLEM = "problem_type"
PADDING = "pad_token_id"
TOKENS = (PADDING, "bos_token_id", "eos_token_id")
"""Fields that number special tokens. A model computes the same without them, unless its code asks
for one; for padding it does only to leave a row of the embedding untrained."""

NO_TOKEN = (None, -1)
"""What stands for a special token that there is not."""

LOADER_READS = ("tie_word_embeddings", "quantization_config")
"""Fields that transformers reads of any configuration while it loads a model."""

EMPTY_MEANS_NONE = (
    "quantization_config",
    "compression_config",
    "auto_map",
    "id2label",
    "label2id",
    "task_specific_params",
    "pruned_heads",
    "rope_scaling",
)
"""Fields that some exporters write without content, where they mean that there is none."""

STOCK = ("transformers.", "hubmerge.")
"""Beginnings of modules whose classes say which fields they know."""

_FREE = frozenset(field for fields in FREE_FIELDS.values() for field in fields)


@dataclasses.dataclass(frozen=True)
class Fields:
    """Dotted names with values; sequences as lists.

    compared: those that count. aside: those that do not: of other tools, and of special tokens that
    no output depends on. A padding token is both, where there is one.
    """

    compared: dict[str, Any]
    aside: dict[str, Any]


def config_fields(config: PreTrainedConfig, architecture: str = "") -> Fields:
    """The fields of a configuration. architecture: the class whose code may read them."""
    return _sorted_out(config, architecture or (config.architectures or [""])[0])


def without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a JSON file without those that say nothing: empty where that means none, null where
    the function does not depend on them.
    """
    return {
        name: value
        for name, value in fields.items()
        if not (name in EMPTY_MEANS_NONE and _is_empty(value))
        and not (name in _FREE and value is None)
    }


def _is_empty(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_empty(each) for each in value.values())
    return value is None or value is False or value in ("", [])


def processor_fields(processor: Any) -> Fields:
    """The settings of an image processor, defaults filled in."""
    fields = dict(_flat(processor.to_dict(), FREE_PROCESSOR_FIELDS))
    kind = fields.pop("image_processor_type", type(processor).__name__)
    name = BACKENDS.sub("", kind).removesuffix("ImageProcessor")
    known = _settings_of(type(processor))
    own = {"image_processor_type": name}
    if known is None:
        return Fields(own | fields, {})
    compared = {n: value for n, value in fields.items() if n.partition(".")[0] in known}
    aside = {n: value for n, value in fields.items() if n not in compared}
    return Fields(own | compared, aside)


def _sorted_out(config: PreTrainedConfig, architecture: str, at: str = "") -> Fields:
    known = _known_fields(type(config))
    if getattr(config, "auto_map", None):
        known = None
    compared: dict[str, Any] = {}
    aside: dict[str, Any] = {}
    for name, value in config.to_dict().items():
        if name == PROBLEM and value not in ONE_OF_N:
            aside[at + name] = value
        if name in _FREE:
            continue
        part = getattr(config, name, None)
        if isinstance(part, PreTrainedConfig):
            inner = _sorted_out(part, architecture, f"{at}{name}.")
            compared |= inner.compared
            aside |= inner.aside
            continue
        ours = known is None or name in known or name in LOADER_READS
        ours = ours or _reads(architecture, name)
        if name in TOKENS:
            ours = known is None or (name != PADDING and _reads(architecture, name))
        (compared if ours else aside).update(_flat({name: value}, _FREE, at))
        if name == PADDING and value not in NO_TOKEN:
            compared[at + name] = value
    return Fields(compared, aside)


def _known_fields(kind: type[PreTrainedConfig]) -> frozenset[str] | None:
    """Names of the fields a class of configurations has; None where any field may be one."""
    if not kind.__module__.startswith(STOCK):
        return None
    names = {field.name for field in dataclasses.fields(kind)} | {*kind.attribute_map}
    for each in kind.__mro__:
        if issubclass(each, PreTrainedConfig) and "__init__" in each.__dict__:
            names |= {*inspect.signature(each.__init__).parameters}
    try:
        names |= {*kind().to_dict()}
    except Exception:  # classes that have no defaults fail in their own ways
        return None
    return frozenset(names)


def _settings_of(kind: type) -> frozenset[str] | None:
    """Names of the settings a class of image processors has; None where any may be one."""
    if not kind.__module__.startswith(STOCK):
        return None
    declared = getattr(getattr(kind, "valid_kwargs", None), "__annotations__", {})
    names = {name for each in kind.__mro__ for name in getattr(each, "__annotations__", {})}
    try:
        return frozenset({*declared, *names, *kind().to_dict()})
    except Exception:  # as above
        return None


@cache
def _reads(architecture: str, field: str) -> bool:
    """Whether the code of a class of transformers asks a configuration for `field`."""
    import transformers

    kind = getattr(transformers, architecture, None) if architecture else None
    module = sys.modules.get(getattr(kind, "__module__", ""))
    try:
        source = inspect.getsource(module) if module is not None else ""
    except OSError:
        return True
    return re.search(rf"""\.{re.escape(field)}\b|["']{re.escape(field)}["']""", source) is not None


def _flat(fields: Mapping[str, Any], free: frozenset[str], at: str = "") -> Iterator[Any]:
    """(dotted name, value) of every field that is not free; sequences as lists."""
    for name, value in fields.items():
        if name in free:
            continue
        if isinstance(value, Mapping) and value:
            yield from _flat({str(k): v for k, v in value.items()}, free, f"{at}{name}.")
        else:
            yield at + name, list(value) if isinstance(value, tuple) else value
