"""Repositories that hold no transformers checkpoint: what they are, and what to do.

Pure functions of file names and small files; nothing here knows the network.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from hubmerge.errors import FamilyError, HubmergeError, WeightsError
from hubmerge.errors.wording import add
from hubmerge.utils.lfs import FETCH, is_pointer_file
from hubmerge.utils.untrusted import Unreadable, parse_json, read_json

Read = Callable[[str], Path | str]
"""Name of a file -> where it lies here, or its text."""

ADAPTER = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
CONFIG = "config.json"

MARKERS = {
    "model_index.json": "a diffusers pipeline of several models",
    "open_clip_config.json": "an open_clip model",
    "params.json": "a checkpoint in its maker's own format",
    "config_sentence_transformers.json": "a sentence-transformers model, whose transformer lies in "
    "a folder of its own",
    "modules.json": "a sentence-transformers model, whose transformer lies in a folder of its own",
    "saved_model.pb": "a TensorFlow model",
    "keras_metadata.pb": "a Keras model",
    "meta.json": "a spaCy pipeline",
}
"""File -> what a repository is that holds it, and no transformers configuration."""

ENDINGS = {
    ".gguf": "a model in GGUF, for llama.cpp",
    ".onnx": "a model in ONNX",
    ".keras": "a Keras model",
    ".mlmodel": "a Core ML model",
    ".tflite": "a TensorFlow Lite model",
}

SNAPSHOT = re.compile(r"snapshots/[0-9a-f]{40}(?=/)")
"""Where a folder of the Hub's cache keeps one commit."""

DATA = ("dataset_dict.json", "dataset_info.json", "state.json")
DATA_ENDINGS = (".parquet", ".csv", ".jsonl", ".arrow", ".tsv", ".png", ".jpg", ".jpeg")
"""Of the files of a data set; pictures also lie beside models, but not without a configuration."""

PEFT_CLASSES = {
    "CAUSAL_LM": "AutoPeftModelForCausalLM",
    "SEQ_CLS": "AutoPeftModelForSequenceClassification",
    "SEQ_2_SEQ_LM": "AutoPeftModelForSeq2SeqLM",
    "TOKEN_CLS": "AutoPeftModelForTokenClassification",
    "QUESTION_ANS": "AutoPeftModelForQuestionAnswering",
    "FEATURE_EXTRACTION": "AutoPeftModelForFeatureExtraction",
}
"""Task of an adapter -> what of peft loads it with its base."""


DEQUANTISED_BY = {"fp8": "FineGrainedFP8Config", "mxfp4": "Mxfp4Config"}
"""Method of quantisation -> the class of transformers by whose `dequantize` it is undone, also
without an accelerator."""


FOUR_BITS, EIGHT_BITS = "bitsandbytes in 4 bits", "bitsandbytes in 8 bits"
"""What bitsandbytes does, by the two ways that one name has in configurations."""

OFFERED = (*DEQUANTISED_BY, FOUR_BITS)
"""Methods of quantisation that are undone where that is asked for."""


def method_of(settings: Any) -> str:
    """The method of quantisation that a configuration's settings name; "" for none."""
    named = settings.get("quant_method") if isinstance(settings, dict) else None
    if named in ("bitsandbytes", None) and isinstance(settings, dict):
        for field, method in (("load_in_4bit", FOUR_BITS), ("load_in_8bit", EIGHT_BITS)):
            if settings.get(field) is True:
                return method
    return named if isinstance(named, str) else ""


def refuse_other(names: Collection[str], read: Read, ref: str) -> None:
    """Raises: WeightsError or FamilyError, if the files are those of no transformers checkpoint."""
    error = other_format(names, read, ref)
    if error is not None:
        raise error


def other_format(names: Collection[str], read: Read, ref: str) -> HubmergeError | None:
    """The error for what the files are instead of a transformers checkpoint; None if unknown."""
    if ADAPTER in names:
        return adapter(read, ref)
    if CONFIG in names:
        return timm(_fields(read, CONFIG), ref)
    if any(name in DATA or name.endswith(DATA_ENDINGS) for name in names):
        return WeightsError(
            f"{ref} is a data set, not a model",
            found=f"no {CONFIG}, but " + ", ".join(sorted(names)[:5]),
            hint=f"{add('dataset')} for it, and name a model here",
        )
    if any(SNAPSHOT.match(name) for name in names):
        return _cache(names, ref)
    kinds = [kind for name, kind in MARKERS.items() if name in names]
    kinds += [kind for end, kind in ENDINGS.items() if any(n.endswith(end) for n in names)]
    if not kinds:
        return None
    return WeightsError(
        f"{ref} is {kinds[0]}, not a transformers checkpoint",
        found=f"no {CONFIG}, but " + ", ".join(sorted(names)[:5]),
        hint="merge the transformers checkpoint that it was made from, or belongs to",
    )


def _cache(names: Collection[str], ref: str) -> WeightsError:
    """The error for a folder of the Hub's cache, which holds a folder for each commit."""
    commits = sorted({found[0] for name in names if (found := SNAPSHOT.match(name))})
    _, _, stored = Path(ref).name.partition("models--")
    by_id = f", or the id {stored.replace('--', '/')}" if stored else ""
    return WeightsError(
        f"{ref} is a folder of the Hub's cache, which keeps a model for each commit",
        found=f"{len(commits)} of them",
        hint=f"give {ref}/{commits[-1]}{by_id}",
    )


def adapter(read: Read, ref: str) -> WeightsError:
    """The error for an adapter, with the command that makes a whole model of it."""
    fields = _fields(read, ADAPTER)
    base, kind = fields.get("base_model_name_or_path"), fields.get("peft_type")
    loader = PEFT_CLASSES.get(str(fields.get("task_type")), "AutoPeftModel")
    target = f"{Path(ref.partition('@')[0]).name}-merged"
    code = (
        f"from peft import {loader}; {loader}.from_pretrained({json.dumps(ref)})"
        f".merge_and_unload().save_pretrained({json.dumps(target)})"
    )
    said = f"{kind} for {base}" if isinstance(base, str) and isinstance(kind, str) else None
    return WeightsError(
        f"{ref} is an adapter, not a whole model",
        found=said,
        source=ADAPTER,
        hint=f"merge it into its base first, with peft:\n{python(code)}\n"
        f"and give {target}, with the tokenizer or processor of its base beside it",
    )


def timm(fields: Mapping[str, Any], ref: str) -> FamilyError | None:
    """The error for a timm model; None if the configuration is not one of timm's."""
    named = fields.get("architecture")
    if fields.get("model_type") or not isinstance(named, str):
        return None
    if not {"pretrained_cfg", "num_features", "num_classes"} & {*fields}:
        return None
    target = f"{Path(ref.partition('@')[0]).name}-wrapped"
    return FamilyError(
        f"{ref} is a timm model, not a transformers checkpoint",
        found=f'"architecture": {named!r}, and no model_type',
        source=CONFIG,
        hint="bring it into transformers' wrapper first, with timm installed:\n"
        + python(
            "from transformers import AutoModelForImageClassification as A; "
            f"A.from_pretrained({json.dumps(ref)}).save_pretrained({json.dumps(target)})"
        ),
    )


def quantised(fields: Mapping[str, Any], ref: str) -> WeightsError:
    """The error for a quantised model, with the command that makes a whole one of it where
    transformers does so on any machine.
    """
    method = method_of(fields.get("quantization_config"))
    kind, target = _class_of(fields), f"{Path(ref.partition('@')[0]).name}-dequantised"
    load, save = (
        f"{kind}.from_pretrained({json.dumps(ref)}",
        f"save_pretrained({json.dumps(target)}",
    )
    code, config = None, DEQUANTISED_BY.get(method)
    if config is not None:
        code = (
            f"from transformers import {kind}, {config}; {load}, quantization_config={config}"
            f"(dequantize=True)).{save}, save_original_format=False)"
        )
    elif method in (FOUR_BITS, EIGHT_BITS):
        code = f"from transformers import {kind}; {load}).dequantize().{save})"
    hint = "merge the models it was made from"
    if method in OFFERED:
        hint += f", or {add('dequantize')}"
    if code is not None:
        needs = " with bitsandbytes installed" if config is None else ""
        hint += f", or dequantise it once{needs}:\n{python(code)}\nand give {target}, with its "
        hint += "tokenizer beside it"
    found = f"quant_method {method!r}" if method else None
    return WeightsError(f"{ref} is quantised", found=found, source=CONFIG, hint=hint)


def _class_of(fields: Mapping[str, Any]) -> str:
    """The class that a configuration names, as far as it is a name."""
    named = fields.get("architectures")
    first = named[0] if isinstance(named, list) and named else None
    return first if isinstance(first, str) and first.isidentifier() else "AutoModel"


def conversion(read: Read, names: Collection[str], ref: str) -> str:
    """The command that writes a checkpoint with pickled weights anew, in safetensors."""
    kind = _class_of(_fields(read, CONFIG) if CONFIG in names else {})
    target = f"{Path(ref.partition('@')[0]).name}-safetensors"
    return python(
        f"from transformers import {kind}; {kind}.from_pretrained({json.dumps(ref)})"
        f".save_pretrained({json.dumps(target)})"
    )


def python(code: str) -> str:
    """A line of Python as a command of a shell."""
    return f"python -c {shlex.quote(code)}"


def refuse_pointer(path: Path) -> None:
    """Raises: WeightsError, if a file is a pointer of git-lfs, and not the file itself."""
    if is_pointer_file(path):
        raise pointer(path.name, str(path))


def pointer(name: str, source: str) -> WeightsError:
    """The error for a pointer of git-lfs."""
    return WeightsError(
        f"{name} is a git-lfs pointer, not the file itself",
        found="a few lines of text that say where the file is",
        source=source,
        hint=FETCH,
    )


def _fields(read: Read, name: str) -> dict[str, Any]:
    try:
        found = read(name)
        fields = read_json(found) if isinstance(found, Path) else parse_json(found)
    except (Unreadable, HubmergeError, OSError):
        return {}
    return fields if isinstance(fields, dict) else {}
