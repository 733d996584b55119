"""Whether an image processor makes what its model takes."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from hubmerge.errors import WeightsError
from hubmerge.hub.layout import CONFIG, PROCESSOR
from hubmerge.models.images import misfit


def refuse_misfit(model: PreTrainedModel, processor: Any | None, ref: str) -> None:
    """Raises: WeightsError, if `processor` brings images to a size that `model` refuses.

    model: in evaluation mode; it may be on the meta device.
    """
    if (sizes := misfit(model, processor)) is None:
        return
    made, taken = (f"{height} x {width}" for height, width in sizes)
    height, width = sizes[1]
    raise WeightsError(
        f"the processor of {ref} makes images of {made}, its model takes {taken}",
        found=f"{PROCESSOR} and {CONFIG} do not belong together, so that nobody knows what the "
        "model says of an image",
        hint=f'"size": {{"height": {height}, "width": {width}}} in {PROCESSOR}, if the model was '
        "trained with that",
    )
