"""Dead leaves as a model takes them: through its own image processor, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.data.batches import CACHE_BYTES, PIL_MODES, Batches, channels_of, keeping
from hubmerge.data.synthetic.dead_leaves import dead_leaves
from hubmerge.errors import DataError, RecipeError
from hubmerge.errors.wording import option
from hubmerge.models.images import image_size

IMAGES = 1000
"""Images a series has unless another number is asked for."""


def can_be_shown(model: PreTrainedModel, processor: Any | None) -> bool:
    """Whether synthetic images can be made for `model`."""
    try:
        synthetic_batches(model, processor)
    except RecipeError:
        return False
    return True


def synthetic_batches(
    model: PreTrainedModel, processor: Any | None, *, images: int = IMAGES, seed: int = 0
) -> Batches:
    """The first `images` dead leaves of the series `seed`, without labels.

    Raises: RecipeError, if `model` does not take images, if it has no processor to prepare them,
    or if nothing says how large they are.
    """
    if processor is None:
        raise RecipeError(
            f"a {model.config.model_type} model without an image processor cannot be shown "
            "synthetic images",
            found=f'its input is "{model.main_input_name}"',
            hint=f"{option('match', 'weights')} looks at no input",
            field="match",
        )
    try:
        mode = PIL_MODES[channels_of(model, processor)]
    except DataError as error:
        raise RecipeError(
            error.what, found=error.found, hint=option("match", "weights"), field="match"
        ) from error
    size = image_size(model.config, processor)
    if size is None:
        raise RecipeError(
            "nothing says how large this model's images are",
            found="its processor does not resize them, and config.json has no image_size",
            hint='"do_resize": true and "size" in preprocessor_config.json say it; '
            f"{option('match', 'weights')} with {option('repair', 'none')} looks at no images; "
            f"{option('dataset')} brings real ones",
            field="match",
        )
    height, width = size

    def read(numbers: Sequence[int]) -> dict[str, Tensor]:
        made = [
            Image.fromarray(dead_leaves(number, height, width, seed)).convert(mode)
            for number in numbers
        ]
        found = processor(images=made, return_tensors="pt")
        return {n: v.float() if v.is_floating_point() else v for n, v in found.items()}

    return Batches(keeping(read, CACHE_BYTES), tuple(range(images)), None, synthetic=True)
