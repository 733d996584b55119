"""Models to work with: from the Hub, from a folder, or in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from hubmerge.api.aligned import Aligned
from hubmerge.errors import MismatchError
from hubmerge.hub.load import load as load_source
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.in_memory import stored_model
from hubmerge.utils.model_refs import folder_ref


@checked
def load(
    model: str | Path | PreTrainedModel,
    trust_remote_code: bool = False,
    *,
    processor: Any = None,
    tokenizer: Any = None,
) -> LoadedModel:
    """A model ready for work: from the Hub, from a folder, or one that is in memory.

    Parameters:
        model: a Hub id, id@revision or folder; or a model of transformers, which is taken as it is
            now and known by the hash of its content from then on.
        processor, tokenizer: what belongs to a model in memory.

    Raises: as `hubmerge.run`; WeightsError, if a key is missing, unexpected or mis-shaped, a weight
    is not finite, or the processor makes images the model does not take.
    """
    if isinstance(model, Path):
        model = folder_ref(model)
    if isinstance(model, str):
        return load_source(model, trust_remote_code)
    return load_source(str(stored_model(model, processor, tokenizer)), trust_remote_code)


def in_memory(model: LoadedModel | PreTrainedModel) -> LoadedModel:
    """A model ready for work; one that was changed since it was loaded as the object that it is.

    Raises: MismatchError, if it was changed after it was aligned with another.
    """
    if not isinstance(model, LoadedModel):
        return load(model)
    if not model.changed:
        return model
    if isinstance(model, Aligned):
        raise MismatchError(
            f"{model.source.ref} was changed after it was aligned",
            found="its tensors or its configuration are not those that `apply` gave",
            hint="match the changed model again, or give its `.model`, which is taken as it is",
        )
    return load(model.model, processor=model.processor, tokenizer=model.tokenizer)
