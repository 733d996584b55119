"""What a model says of itself without its weights: configuration, processor, tokenizer, headers."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoImageProcessor,
    PreTrainedConfig,
)

import hubmerge.models  # noqa: F401  registers the MLP head with the Auto classes
from hubmerge.data.columns import FEATURE, IMAGE
from hubmerge.errors import FamilyError, NotFoundError, WeightsError
from hubmerge.hub.config_limits import ANYTHING, Stored, refuse_code, refuse_nonsense
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.generation import refuse_generation
from hubmerge.hub.headers import WeightsHeader, weights_header
from hubmerge.hub.json_files import read_json, readable
from hubmerge.hub.layout import CONFIG, GENERATION, PROCESSOR, TEMPLATES
from hubmerge.hub.other_formats import quantised, refuse_other, timm
from hubmerge.hub.processors import refuse_senseless
from hubmerge.hub.returned import answer_by_default
from hubmerge.hub.source import Source
from hubmerge.hub.timm import prepares_images, refuse_without_timm
from hubmerge.hub.tokenizer import FILES as TOKENIZER_FILES
from hubmerge.hub.tokenizer import TEMPLATE, TOKENIZER, load_tokenizer
from hubmerge.tasks import Task, task_of
from hubmerge.utils.foreign import refusing

ADAPTER = "adapter_config.json"
"""What makes transformers load another model first."""
SHOWN = 5
"""Names of files quoted in an error."""


@dataclass(frozen=True)
class Description:
    """What a model says of itself without its weights."""

    source: Source
    config: PreTrainedConfig
    processor: Any | None
    code_folder: Path | None = None
    """Where its own python files lie; None unless they may be run."""
    tokenizer: Any | None = None
    """Of a model that reads texts."""
    header: WeightsHeader | None = None
    """Of its weights; None where only the configuration was asked for."""


def labels_of(config: PreTrainedConfig) -> dict[int, str]:
    """Label names by output index, sorted."""
    labels: Any = config.id2label or {}
    return {index: labels[index] for index in sorted(labels)}


def describe(
    source: Source, *, trust_remote_code: bool = False, weightless: bool = False
) -> Description:
    """Configuration, processor or tokenizer, and the headers of the weights, which bound them.

    weightless: leave out the headers; the model may be as large as any.
    Raises: NotFoundError, if there is no config.json; RemoteCodeError; FamilyError, for a model
    type transformers does not know; WeightsError, for a configuration that cannot be read, or does
    not belong to its weights; as `weights_header`.
    """
    names = list(file_sizes(source))
    if CONFIG not in names:
        refuse_other(names, lambda name: fetch_file(source, name), source.ref)
        raise NotFoundError(
            f"{source.ref} is no transformers model: it has no {CONFIG}",
            found=", ".join(names[:SHOWN]) or "an empty repository",
        )
    code = [name for name in names if name.endswith(".py")] if trust_remote_code else []
    for name in (CONFIG, PROCESSOR, GENERATION, *code):
        if name in names:
            fetch_file(source, name)
    folder = fetch_file(source, CONFIG).parent
    tokenizer = [fetch_file(source, name) for name in names if _is_tokenizer(name)]
    with readable(folder, source.ref) as place:
        fields = _fields(place, source.ref, trust_remote_code)
        header = None if weightless else _header(source, names)
        refuse_nonsense(fields, ANYTHING if header is None else Stored.of(header), source.ref)
        config = _config(place, source.ref, trust_remote_code)
        refuse_generation(place, source.ref)
        task = task_of(config)
        return Description(
            source,
            config,
            _of_config(place, source.ref)
            if prepares_images(config)
            else _processor(place, source.ref, trust_remote_code, any_kind=not _takes_images(task)),
            folder if trust_remote_code else None,
            _tokenizer(place, source.ref, config, trust_remote_code)
            if tokenizer and _takes_texts(task)
            else None,
            header,
        )


def _header(source: Source, names: Collection[str]) -> WeightsHeader:
    found = weights_header(source)
    if ADAPTER in names:
        raise WeightsError(
            f"{source.ref} holds {ADAPTER} beside its weights",
            found="transformers would load the base that it names instead",
            hint=f"remove {ADAPTER}, if the weights are whole",
        )
    return found


def _takes_texts(task: Task | None) -> bool:
    """Whether a tokenizer belongs to such a model; where that is unknown, it may."""
    return task is None or TOKENIZER in task.companion_files


def load_config(source: Source, *, trust_remote_code: bool = False) -> PreTrainedConfig:
    """The configuration alone. Raises: as `describe`."""
    return describe(source, trust_remote_code=trust_remote_code, weightless=True).config


def _fields(folder: Path, ref: str, trust_remote_code: bool) -> dict[str, Any]:
    """The configuration as it is written, if it may be used."""
    fields = read_json(folder / CONFIG, ref)
    refuse_code(fields, CONFIG, ref, trust_remote_code)
    if "quantization_config" in fields:
        raise quantised(fields, ref)
    if (error := timm(fields, ref)) is not None:
        raise error
    refuse_without_timm(fields, ref)
    kind = fields.get("model_type")
    known = isinstance(kind, str) and kind in transformers.CONFIG_MAPPING
    if not known and not ("auto_map" in fields and trust_remote_code):
        raise FamilyError(
            f"transformers {transformers.__version__} does not know the model type of {ref}",
            found=f"model_type {fields.get('model_type')!r}",
            source=CONFIG,
            hint="a newer transformers may",
        )
    return fields


def _config(folder: Path, ref: str, trust_remote_code: bool) -> PreTrainedConfig:
    with _usable(CONFIG, ref):
        config = AutoConfig.from_pretrained(
            folder, trust_remote_code=trust_remote_code, local_files_only=True
        )
        if str(config._attn_implementation).startswith("flash"):
            config._attn_implementation = None  # a matter of the machine it was saved on
        answer_by_default(config)
    return config


def _usable(name: str, ref: str) -> AbstractContextManager[None]:
    """Inside, whatever transformers stumbles over is a WeightsError about that file."""
    return refusing(lambda said: WeightsError(f"{name} of {ref} cannot be used", found=said))


def _processor(
    folder: Path, ref: str, trust_remote_code: bool, *, any_kind: bool = False
) -> Any | None:
    """any_kind: whether it may be one of other inputs than images."""
    if not (folder / PROCESSOR).is_file():
        return None
    fields = read_json(folder / PROCESSOR, ref)
    refuse_code(fields, PROCESSOR, ref, trust_remote_code)
    images = not any_kind or not {"image_processor_type", "image_mean"}.isdisjoint(fields)
    with _usable(PROCESSOR, ref):
        processor = (AutoImageProcessor if images else AutoFeatureExtractor).from_pretrained(
            folder, trust_remote_code=trust_remote_code, local_files_only=True
        )
    if images:
        refuse_senseless(processor, ref)
    return processor


def _of_config(folder: Path, ref: str) -> Any:
    """A processor whose settings stand in the configuration."""
    with _usable(CONFIG, ref):
        return AutoImageProcessor.from_pretrained(folder, local_files_only=True)


def _takes_images(task: Task | None) -> bool:
    """Whether what prepares inputs prepares images; where no task accepts a model, it may not."""
    return task is not None and bool({IMAGE, FEATURE} & {*task.inputs})


def _is_tokenizer(name: str) -> bool:
    return name in TOKENIZER_FILES or name == TEMPLATE or name.startswith(f"{TEMPLATES}/")


def _tokenizer(
    folder: Path, ref: str, config: PreTrainedConfig, trust_remote_code: bool
) -> Any | None:
    if (folder / TOKENIZER).is_file():
        refuse_code(read_json(folder / TOKENIZER, ref), TOKENIZER, ref, trust_remote_code)
    return load_tokenizer(folder, ref, config, trust_remote_code=trust_remote_code)
