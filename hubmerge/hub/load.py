"""From a source to a model in memory, complete and finite, or a refusal that names the tensor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from hubmerge.hub.calm import calm
from hubmerge.hub.describe import Description, describe
from hubmerge.hub.fetch import fetch
from hubmerge.hub.layout import TensorHeader, joined, read_header, stored_dtype, weight_files
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.model_class import made_of, model_class, skeleton
from hubmerge.hub.processors import refuse_misfit
from hubmerge.hub.source import Source, folder_files, resolve
from hubmerge.hub.stored_names import model_dtypes, reset_counters
from hubmerge.hub.weight_checks import (
    refuse_negative_variances,
    refuse_non_finite,
    refuse_unmatched,
)
from hubmerge.models.fingerprint import fingerprint
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.limits import MODEL_FILES


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
        source=source,
        model=model,
        processor=description.processor,
        dtype=getattr(torch, stored_dtype(tensors, source.ref)),
        dtypes=dtypes,
        folder=folder,
        tokenizer=description.tokenizer,
        stored=tensors,
    )


def stored_in(folder: Path) -> dict[str, TensorHeader]:
    """All tensors of the model in `folder`, by their names on disk. Raises: WeightsError."""
    names = weight_files(folder_files(folder, MODEL_FILES), lambda name: folder / name, str(folder))
    files = (name for name in names if name.endswith(".safetensors"))
    return joined((read_header(folder / file) for file in files), str(folder))
