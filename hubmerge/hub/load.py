"""From a source to a model in memory, complete and finite, or a refusal that names the tensor."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoImageProcessor,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from transformers.utils import logging as transformers_logging

import hubmerge.models  # noqa: F401  registers the MLP head with the Auto classes
from hubmerge.errors import FamilyError, NotFoundError, WeightsError
from hubmerge.errors.wording import quoted
from hubmerge.hub.config_limits import ANYTHING, Stored, refuse_code, refuse_nonsense
from hubmerge.hub.fetch import fetch, fetch_file, file_sizes
from hubmerge.hub.headers import WeightsHeader, weights_header
from hubmerge.hub.json_files import read_json, readable
from hubmerge.hub.layout import (
    CONFIG,
    PROCESSOR,
    TEMPLATES,
    TensorHeader,
    read_header,
    stored_dtype,
    weight_files,
)
from hubmerge.hub.other_formats import refuse_other, timm
from hubmerge.hub.processors import refuse_misfit, refuse_senseless
from hubmerge.hub.source import Source, folder_files, resolve
from hubmerge.hub.stored_names import model_dtypes, reset_counters, without_counters
from hubmerge.hub.tokenizer import FILES as TOKENIZER_FILES
from hubmerge.hub.tokenizer import TEMPLATE, TOKENIZER, load_tokenizer
from hubmerge.models.building import building_at_most
from hubmerge.models.fingerprint import fingerprint
from hubmerge.tasks import Task, task_of
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.foreign import refusing
from hubmerge.utils.limits import LARGEST_WEIGHT, MODEL_FILES

ADAPTER = "adapter_config.json"
"""What makes transformers load another model first."""
SHOWN = 5
"""Tensor names quoted in an error."""


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


@dataclass(repr=False)
class LoadedModel:
    """A model ready for work: float32, on the CPU, in evaluation mode."""

    source: Source
    model: PreTrainedModel
    processor: Any | None
    """What prepares images, or of a model that no task accepts other inputs; None without one."""
    dtype: torch.dtype
    """The one most weights are stored in."""
    dtypes: dict[str, torch.dtype]
    """The stored dtype of every floating tensor, by its name in the model."""
    folder: Path
    """Where its files lie."""
    tokenizer: Any | None
    """Of a model that reads texts; None if it comes without one."""
    fingerprint: str | None = None
    """Of the model as it was loaded; None where nothing is to be said of that."""

    @property
    def changed(self) -> bool:
        """Whether tensors or configuration are others than those that were loaded."""
        return self.fingerprint not in (None, fingerprint(self.model))

    def __repr__(self) -> str:
        numbers = sum(parameter.numel() for parameter in self.model.parameters())
        return (
            f"<{type(self).__name__} {self.source.ref}: {type(self.model).__name__}, "
            f"{numbers:,} parameters, {str(self.dtype).removeprefix('torch.')}>"
        )

    @property
    def task(self) -> Task | None:
        """What the model is for; None if no task accepts it."""
        return task_of(self.config)

    @property
    def config(self) -> PreTrainedConfig:
        """The model's configuration."""
        return self.model.config

    @property
    def id2label(self) -> dict[int, str]:
        """Label names in the order of the outputs."""
        return labels_of(self.config)


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
    for name in (CONFIG, PROCESSOR, *code):
        if name in names:
            fetch_file(source, name)
    folder = fetch_file(source, CONFIG).parent
    tokenizer = [fetch_file(source, name) for name in names if _is_tokenizer(name)]
    with readable(folder, source.ref) as place:
        fields = _fields(place, source.ref, trust_remote_code)
        header = None if weightless else _header(source, names)
        refuse_nonsense(fields, ANYTHING if header is None else Stored.of(header), source.ref)
        config = _config(place, source.ref, trust_remote_code)
        task = task_of(config)
        return Description(
            source,
            config,
            _processor(place, source.ref, trust_remote_code, any_kind=task is None),
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


@checked
def load(ref: str | Source, trust_remote_code: bool = False) -> LoadedModel:
    """Fetch and load a model.

    Raises: as `resolve`, `fetch` and `describe`; WeightsError, if a key is missing, unexpected
    or mis-shaped, a weight is not finite, or the processor makes images the model does not take.
    """
    source = resolve(ref) if isinstance(ref, str) else ref
    description = describe(source, trust_remote_code=trust_remote_code)
    folder = fetch(source, code=trust_remote_code)
    kind = model_class(description.config, description.code_folder)
    assert description.header is not None
    loader: Any = kind  # whose annotation leaves out the loading info
    with calm(), made_of(description):
        model, found = loader.from_pretrained(
            folder,
            config=description.config,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that they are listed, and refused below
            use_safetensors=True,
            local_files_only=True,
        )
    refuse_unmatched(found, source.ref)
    reset_counters(model, found["missing_keys"])
    refuse_non_finite(model, source.ref)
    refuse_negative_variances(model, source.ref)
    refuse_misfit(model.eval(), description.processor, source.ref)
    return replace(_loaded(description, model, folder), fingerprint=fingerprint(model))


def outline(ref: str | Source, trust_remote_code: bool = False) -> LoadedModel:
    """As `load`, but that the weights stay on disk: the model has shapes and no values.

    Raises: as `resolve`, `fetch` and `describe`.
    """
    source = resolve(ref) if isinstance(ref, str) else ref
    description = describe(source, trust_remote_code=trust_remote_code)
    folder = fetch(source, code=trust_remote_code)
    model = skeleton(description.config, description.code_folder)
    refuse_misfit(model, description.processor, source.ref)
    return _loaded(description, model, folder)


def _loaded(description: Description, model: PreTrainedModel, folder: Path) -> LoadedModel:
    source, tensors = description.source, stored_in(folder)
    with calm():
        dtypes = model_dtypes(model, description.config, tensors)
    return LoadedModel(
        source,
        model,
        description.processor,
        getattr(torch, stored_dtype(tensors, source.ref)),
        dtypes,
        folder,
        description.tokenizer,
    )


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


def refuse_unmatched(found: dict[str, Any], ref: str) -> None:
    """Raises: WeightsError, if `from_pretrained` could not match every key.

    found: the loading info of transformers: missing_keys, unexpected_keys, mismatched_keys (name,
    shape in the file, shape in the model), error_msgs.
    """
    said = []
    for word in ("missing", "unexpected"):
        if keys := without_counters(found[f"{word}_keys"]):
            said.append(f"{word}: {_some(keys)}")
    mismatched = [
        f"{name} {list(stored)}, the model has {list(expected)}"
        for name, stored, expected in sorted(found["mismatched_keys"])
    ]
    if mismatched:
        said.append(f"mis-shaped: {_some(mismatched)}")
    said.extend(str(message) for message in found.get("error_msgs") or [])
    if said:
        raise WeightsError(
            f"the weights of {ref} do not fit its {CONFIG}",
            found="\n".join(said),
            hint="transformers would fill the gaps with random values; save the model again "
            "with save_pretrained",
        )


def refuse_negative_variances(model: PreTrainedModel, ref: str) -> None:
    """Raises: WeightsError, if a batch norm's running variance is below 0."""
    bad = [
        f"{name} ({int((tensor < 0).sum())} of {tensor.numel()}, down to {float(tensor.min()):.3g})"
        for name, tensor in model.state_dict().items()
        if name.endswith("running_var") and (tensor < 0).any()
    ]
    if bad:
        raise WeightsError(
            f"running variances of {ref} are negative, which no variance is",
            found=_some(bad),
            hint="the file is damaged, or was averaged or edited without care: take another "
            "checkpoint",
        )


def refuse_non_finite(model: PreTrainedModel, ref: str) -> None:
    """Raises: WeightsError, if a parameter or buffer holds NaN or infinity, or a parameter a number
    so large that no output can be computed from it.
    """
    bad = [
        f"{name} ({int((~torch.isfinite(tensor)).sum())} of {tensor.numel()})"
        for name, tensor in model.state_dict().items()
        if not torch.isfinite(tensor).all()
    ]
    if bad:
        raise WeightsError(
            f"weights of {ref} are NaN or infinite",
            found=_some(bad),
            hint="its training diverged or its dtype overflowed: take another checkpoint",
        )
    large = [
        f"{name} (up to {float(parameter.detach().abs().max()):.3g})"
        for name, parameter in model.named_parameters()
        if parameter.numel() and float(parameter.detach().abs().max()) > LARGEST_WEIGHT
    ]
    if large:
        raise WeightsError(
            f"weights of {ref} are enormous: sums of their products are no numbers in float32",
            found=_some(large),
            hint="its training diverged, or the file is damaged: take another checkpoint",
        )


def stored_in(folder: Path) -> dict[str, TensorHeader]:
    """All tensors of the model in `folder`, by their names on disk. Raises: WeightsError."""
    names = weight_files(folder_files(folder, MODEL_FILES), lambda name: folder / name, str(folder))
    return {
        name: tensor
        for file in names
        if file.endswith(".safetensors")
        for name, tensor in read_header(folder / file).items()
    }


def _fields(folder: Path, ref: str, trust_remote_code: bool) -> dict[str, Any]:
    """The configuration as it is written, if it may be used."""
    fields = read_json(folder / CONFIG, ref)
    refuse_code(fields, CONFIG, ref, trust_remote_code)
    if "quantization_config" in fields:
        raise WeightsError(f"{ref} is quantised", hint="merge the models it was made from")
    if (error := timm(fields, ref)) is not None:
        raise error
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


def _is_tokenizer(name: str) -> bool:
    return name in TOKENIZER_FILES or name == TEMPLATE or name.startswith(f"{TEMPLATES}/")


def _tokenizer(
    folder: Path, ref: str, config: PreTrainedConfig, trust_remote_code: bool
) -> Any | None:
    if (folder / TOKENIZER).is_file():
        refuse_code(read_json(folder / TOKENIZER, ref), TOKENIZER, ref, trust_remote_code)
    return load_tokenizer(folder, ref, config, trust_remote_code=trust_remote_code)


def _registered(config_class: type[PreTrainedConfig]) -> Iterator[type[PreTrainedModel]]:
    for auto in _auto_classes():
        mapping = getattr(auto, "_model_mapping", {})
        if config_class in mapping:
            found = mapping[config_class]
            yield from found if isinstance(found, tuple | list) else (found,)


@cache
def _auto_classes() -> tuple[Any, ...]:
    """Listed once: transformers looks through all of its modules for its names."""
    names = [name for name in dir(transformers) if name.startswith("AutoModel")]
    return tuple(getattr(transformers, name) for name in names)


@contextmanager
def calm() -> Iterator[None]:
    """Without transformers' own bars, and its report on keys, which is ours to make."""
    verbosity, bar = transformers_logging.get_verbosity(), transformers_logging
    shown = bar.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    bar.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if shown:
            bar.enable_progress_bar()


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
