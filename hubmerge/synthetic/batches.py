"""Dead leaves as a model takes them: through its own image processor, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.errors import DataError, RecipeError
from hubmerge.measure.batches import CACHE_BYTES, PIL_MODES, Batches, channels_of, keeping
from hubmerge.synthetic.leaves import dead_leaves

IMAGES = 1000
"""Images a series has unless another number is asked for."""

USUAL_SIZE = 64
"""Height and width where neither processor nor configuration says one."""


def synthetic_batches(
    model: PreTrainedModel, processor: Any | None, *, images: int = IMAGES, seed: int = 0
) -> Batches:
    """The first `images` dead leaves of the series `seed`, without labels.

    Raises: RecipeError, if `model` does not take images, or has no processor to prepare them.
    """
    if processor is None:
        raise RecipeError(
            f"a {model.config.model_type} model without an image processor cannot be shown "
            "synthetic images",
            found=f'its input is "{model.main_input_name}"',
            hint="--match weights looks at no input",
        )
    try:
        mode = PIL_MODES[channels_of(model, processor)]
    except DataError as error:
        raise RecipeError(error.what, found=error.found, hint="--match weights") from error
    height, width = image_size(model, processor)

    def read(numbers: Sequence[int]) -> dict[str, Tensor]:
        made = [
            Image.fromarray(dead_leaves(number, height, width, seed)).convert(mode)
            for number in numbers
        ]
        found = processor(images=made, return_tensors="pt")
        return {n: v.float() if v.is_floating_point() else v for n, v in found.items()}

    return Batches(keeping(read, CACHE_BYTES), tuple(range(images)), None)


def image_size(model: PreTrainedModel, processor: Any) -> tuple[int, int]:
    """Height and width the processor brings images to, or the configuration names."""
    for size in (getattr(processor, "size", None), getattr(model.config, "image_size", None)):
        if isinstance(size, int):
            return size, size
        if isinstance(size, list | tuple) and len(size) == 2:
            return int(size[0]), int(size[1])
        if size is not None and hasattr(size, "get"):
            edge = size.get("shortest_edge") or size.get("height")
            if edge:
                return int(size.get("height") or edge), int(size.get("width") or edge)
    return USUAL_SIZE, USUAL_SIZE
