"""Whether an image processor makes what its model takes, and what it is shown without data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from PIL import Image
from transformers import FeatureExtractionMixin, PreTrainedConfig, PreTrainedModel

from hubmerge.errors import WeightsError
from hubmerge.hub.layout import CONFIG, PROCESSOR
from hubmerge.models.images import image_size, misfit
from hubmerge.tasks import task_of
from hubmerge.utils.limits import SIDE

LARGE = 1e6
"""A mean, deviation or factor beyond it, or below its inverse, leaves nothing of a picture."""
SHOWN = 200
"""Characters of a setting that an error quotes."""

AUTO = "auto"
"""The matcher that what is given decides on."""


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
        found=f"{PROCESSOR} and {CONFIG} do not belong together, so that it is unknown what the "
        "model says of an image",
        hint=f'"size": {{"height": {height}, "width": {width}}} in {PROCESSOR}, if the model was '
        "trained with that",
    )


def refuse_senseless(processor: Any, ref: str) -> None:
    """Raises: WeightsError, if a setting of an image processor makes no image of any picture."""
    for field, allowed in (("image_mean", _is_finite), ("image_std", _is_positive)):
        value = getattr(processor, field, None)
        values = value if isinstance(value, list | tuple) else [value]
        if value is not None and not (values and all(map(allowed, values))):
            raise _senseless(ref, field, value)
    factor = getattr(processor, "rescale_factor", None)
    if factor is not None and not _is_positive(factor):
        raise _senseless(ref, "rescale_factor", factor)
    filter_ = getattr(processor, "resample", None)
    if filter_ is not None and filter_ not in [*Image.Resampling]:
        raise _senseless(ref, "resample", filter_)
    for field in ("size", "crop_size", "pad_size"):
        value = getattr(processor, field, None)
        sides = [value] if isinstance(value, int | float) else _sides(value)
        if not all(_is_side(side) for side in sides):
            raise _senseless(ref, field, value)


def _sides(size: Any) -> list[Any]:
    """The numbers of a size, as transformers has it."""
    if size is None or isinstance(size, str):
        return [] if size is None else [size]
    if isinstance(size, list | tuple):
        return list(size)
    said = dict(size) if isinstance(size, Mapping) else vars(size)
    return [side for name, side in said.items() if side is not None and "pixels" not in name]


def _is_side(side: Any) -> bool:
    return isinstance(side, int) and not isinstance(side, bool) and 1 <= side <= SIDE


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < LARGE


def _is_positive(value: Any) -> bool:
    return _is_finite(value) and value > 1 / LARGE


def _senseless(ref: str, field: str, value: Any) -> WeightsError:
    return WeightsError(
        f"{PROCESSOR} of {ref} makes no sense", found=f'"{field}": {value!r}'[:SHOWN]
    )


class Prepared(Protocol):
    """A `Description` or a `LoadedModel`."""

    @property
    def config(self) -> PreTrainedConfig: ...
    @property
    def processor(self) -> Any | None: ...
    @property
    def tokenizer(self) -> Any | None: ...


def auto_processor(model: Prepared) -> str | None:
    """The auto class of transformers that loads what prepares the inputs; None if nothing does."""
    if model.processor is None and model.tokenizer is None:
        return None
    task = task_of(model.config)
    if task is not None:
        return task.auto_processor
    if model.processor is None:
        return "AutoTokenizer"
    if model.tokenizer is not None:
        return "AutoProcessor"
    audio = isinstance(model.processor, FeatureExtractionMixin)
    return "AutoFeatureExtractor" if audio else "AutoImageProcessor"


def matched_without_data(match: str, config: PreTrainedConfig, processor: Any | None) -> str:
    """The matcher that "auto" stands for where there is no data; any other as it is."""
    if match != AUTO:
        return match
    return "weights" if _size(config, processor) is None else "synthetic"


def stand_in(
    config: PreTrainedConfig, processor: Any | None, *, match: str, repaired: bool, fitted: bool
) -> tuple[str, str] | None:
    """What is looked at without data, and on which images; None where nothing is.

    repaired: whether batch norms are to be re-estimated. fitted: whether layers are to be fitted.
    """
    size = _size(config, processor)
    wanted = {"activations": match == "synthetic", "batch norm": repaired, "layers": fitted}
    looked_at = [what for what, wants in wanted.items() if wants]
    if size is None or not looked_at:
        return None
    return "statistics: " + ", ".join(looked_at), f"synthetic images of {size[0]} x {size[1]}"


def _size(config: PreTrainedConfig, processor: Any | None) -> tuple[int, int] | None:
    return None if processor is None else image_size(config, processor)
