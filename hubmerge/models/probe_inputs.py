"""Random inputs for a model of any class, found from its forward's signature and configuration.

What a forward takes is known by the names of its parameters, which transformers uses alike for all
models; how large it must be, by fields of the configuration or of the configurations nested in it.
Where several sets of inputs come into question, the first that the model answers is taken.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import reduce
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from hubmerge.errors import FamilyError
from hubmerge.symmetry.in_double import in_double

TOKENS = 8
"""Tokens in a row of text, where the model has positions for as many."""

DEFAULT_IMAGE_SIZE = 64
"""Height and width where the family takes any: a side that five halvings still divide."""

FRAMES = 12
"""Frames that are left of a row of sound, where the model takes any number."""

SAMPLES = 4000
"""Values of a row of sound, where the configuration does not say how they are framed."""

SPREAD = 1000
"""Coordinates of boxes are below this, as in all models that read layouts."""

NESTED = ("text_config", "vision_config", "audio_config", "backbone_config", "encoder", "decoder")
"""Fields that hold the configuration of a part."""

COUNTS = re.compile(r"tokens[^\d]{1,20}\d+[^\d]{1,40}features[^\d]{1,20}(\d+)", re.IGNORECASE)
"""How transformers says that there are fewer placeholders in a text than features of images."""

Draw = Callable[["_Probe"], Tensor | None]


class _Probe:
    """What is drawn for one model: rows, generator, dtype; and where its sizes are said."""

    def __init__(self, model: PreTrainedModel, rows: int, seed: int, dtype: torch.dtype) -> None:
        self.model, self.rows, self.seed, self.dtype = model, rows, seed, dtype
        self.placeholders = 0
        self.configs = list(configurations(model.config))

    def field(self, *names: str, parts: Sequence[str] = ()) -> Any:
        """The first of the fields that is set, in the configuration of a part before others."""
        first = [getattr(self.model.config, part, None) for part in parts]
        for config in (*(c for c in first if c is not None), *self.configs):
            for name in names:
                value = getattr(config, name, None)
                if value is not None:
                    return value
        return None

    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)

    def normal(self, *shape: int) -> Tensor:
        drawn = torch.randn(self.rows, *shape, generator=self.generator(), dtype=torch.float64)
        return drawn.to(self.dtype)


def configurations(config: PreTrainedConfig) -> Iterator[PreTrainedConfig]:
    """`config`, and those nested in it, outermost first."""
    yield config
    for name in sorted({*NESTED, *getattr(type(config), "sub_configs", {})}):
        nested = vars(config).get(name)
        if isinstance(nested, PreTrainedConfig):
            yield from configurations(nested)


def probe_inputs(
    model: PreTrainedModel, rows: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Random inputs by the names that the model's forward takes: tokens, pixels, sound, features.

    A model of several towers gets an input for each; one with a decoder gets tokens for it.
    rows: of each input; one, where the model takes no more at once. dtype: of floating inputs.
    Raises: FamilyError, if it takes none of these.
    """
    probe = _Probe(model, rows, seed, dtype)
    first = ""
    for count in dict.fromkeys((rows, 1)):
        probe.rows = count
        for inputs in _choices(probe):
            failure = _refusal(model, inputs)
            if not failure:
                return inputs
            first = first or f"{', '.join(inputs)}: {failure}"
            counts = COUNTS.search(failure)
            if counts and "input_ids" in inputs:
                probe.placeholders = int(counts[1]) // count
                filled = _tokens(probe, "input_ids")
                probe.placeholders = 0
                inputs = inputs if filled is None else {**inputs, "input_ids": filled}
                if not _refusal(model, inputs):
                    return inputs
    found = f'its main input is "{model.main_input_name}"'
    found += f"; it does not take {first}" if first else ", whose size is not known"
    raise _no_probe(model.config, found)


def _choices(probe: _Probe) -> Iterator[dict[str, Tensor]]:
    """Sets of inputs that the signature allows, the likeliest first."""
    takes = inspect.signature(probe.model.forward).parameters
    main = probe.model.main_input_name
    needed = [
        name for name, p in takes.items() if p.default is inspect.Parameter.empty and name in _DRAW
    ]
    decoder = [
        n for n in ("decoder_input_ids",) if n in takes and probe.field("is_encoder_decoder")
    ]
    if "past_values" in takes or main not in _DRAW:
        return
    others = [name for name in _DRAW if name in takes and name not in (main, *decoder)]
    towers = [n for n in others if n in ("input_ids", "pixel_values", "input_features")]
    composite = sum(hasattr(probe.model.config, f"{part}_config") for part in _TOWERS) > 1
    composite = composite or ("input_ids" in takes and not decoder and main == "pixel_values")
    sets = [[main, *towers]] if composite and towers else []
    sets += [[main], *([main, other] for other in others)]
    seen: set[tuple[str, ...]] = set()
    for names in sets:
        grids = ["pixel_attention_mask", "spatial_shapes"] if "spatial_shapes" in takes else []
        along = grids if "pixel_values" in names else []
        wanted = tuple(dict.fromkeys((*names, *along, *needed, *decoder)))
        if wanted in seen or (others and len(seen) > 12):
            continue
        seen.add(wanted)
        drawn = {name: _DRAW[name](probe) for name in wanted}
        if all(value is not None for value in drawn.values()):
            yield {name: value for name, value in drawn.items() if value is not None}


_TOWERS = ("text", "vision", "audio")


def _refusal(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> str:
    """What the model says of inputs that it does not take; nothing, if it takes them."""
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    given = {n: v.to(dtype) if v.is_floating_point() else v for n, v in inputs.items()}
    try:
        precise = dtype == torch.float64
        with torch.inference_mode(), in_double(model) if precise else nullcontext():
            model(**given)
    except Exception as error:  # each model refuses in its own way what it does not take
        return f"{type(error).__name__}: {error}"
    return ""


# Texts


def _tokens(probe: _Probe, name: str) -> Tensor | None:
    """Random tokens without special ones among them; the last ends the text, where one does."""
    parts = ("decoder",) if name.startswith("decoder") else ("text_config", "encoder")
    size = probe.field("vocab_size", parts=parts)
    if name == "decoder_input_ids":
        size = probe.field("decoder_vocab_size", "vocab_size", parts=parts)
    if not isinstance(size, int):
        return None
    longest = [
        probe.field(field, parts=parts)
        for field in ("max_position_embeddings", "n_positions", "max_target_positions")
    ]
    tokens = min([TOKENS, *(n for n in longest if isinstance(n, int) and n > 0)])
    special = {
        value
        for config in probe.configs
        for field, value in vars(config).items()
        if field.endswith(("token_id", "token_index")) and isinstance(value, int)
    }
    plain = [i for i in range(min(size, 4096)) if i not in special and i > min(8, size // 8)]
    plain = plain if len(plain) > size // 4 else list(range(min(size, 4096)))
    drawn = torch.randint(len(plain), (probe.rows, tokens), generator=probe.generator())
    found = torch.tensor(plain)[drawn]
    end = probe.field("eos_token_id", parts=parts)
    if isinstance(end, int) and 0 <= end < size and len(plain) < min(size, 4096):
        found[:, -1] = end
    if probe.placeholders and name == "input_ids":
        image = probe.field("image_token_id", "image_token_index")
        if isinstance(image, int):
            filled = torch.full((probe.rows, probe.placeholders), image)
            found = torch.cat([found[:, :2], filled, found[:, 2:]], 1)
    return found


def _boxes(probe: _Probe) -> Tensor | None:
    tokens = _tokens(probe, "input_ids")
    if tokens is None:
        return None
    corners = torch.randint(SPREAD // 2, (*tokens.shape, 4), generator=probe.generator())
    corners[..., 2:] = corners[..., :2] + corners[..., 2:]
    return corners


# Images and sound


def image_size(config: PreTrainedConfig, default: int = DEFAULT_IMAGE_SIZE) -> tuple[int, int]:
    """Height and width of the images a configuration, or one nested in it, asks for."""
    for each in configurations(config):
        size: Any = getattr(each, "image_size", None) or getattr(each, "img_size", None)
        size = size or _size_in_timm(each)
        if isinstance(size, Mapping):
            size = (size.get("height"), size.get("width"))
        if isinstance(size, int):
            return size, size
        if isinstance(size, list | tuple) and len(size) >= 2 and all(size):
            return int(size[0]), int(size[1])
    return default, default


def _size_in_timm(config: PreTrainedConfig) -> Any:
    """What a model of timm was made for, else what its weights were trained on, [height, width]."""
    made, trained = (getattr(config, name, None) for name in ("model_args", "pretrained_cfg"))
    if isinstance(made, Mapping) and made.get("img_size"):
        return made["img_size"]
    if isinstance(trained, Mapping) and isinstance(trained.get("input_size"), list | tuple):
        return trained["input_size"][1:]
    return None


def _pixels(probe: _Probe) -> Tensor | None:
    parts = ("vision_config", "encoder", "backbone_config")
    channels = probe.field(
        "num_channels", "in_channels", "in_chans", "num_image_channels", parts=parts
    )
    timm = probe.model.config.model_type == "timm_wrapper"
    channels = 3 if channels is None else channels  # BLIP's, and timm's, are not said
    if not isinstance(channels, int):
        return None
    frames = probe.field("num_frames", parts=parts)
    vision = next(
        (
            getattr(probe.model.config, p, None)
            for p in parts
            if isinstance(getattr(probe.model.config, p, None), PreTrainedConfig)
        ),
        None,
    )
    side = image_size(vision or probe.model.config, 224 if timm else DEFAULT_IMAGE_SIZE)
    leading = (frames,) if isinstance(frames, int) else ()
    if "spatial_shapes" in inspect.signature(probe.model.forward).parameters:
        patch, rows = probe.field("patch_size", parts=parts), _patches(probe)
        return probe.normal(rows, channels * patch**2) if patch and rows else None
    return probe.normal(*leading, channels, *side)


def _patches(probe: _Probe) -> int | None:
    """Patches of an image, where pixels come as rows of patches: as many as make a square."""
    found = probe.field("num_patches", "max_num_patches", parts=("vision_config",))
    return isqrt(found) ** 2 if isinstance(found, int) else None


def _shown_patches(probe: _Probe) -> Tensor | None:
    patches = _patches(probe)
    return None if patches is None else torch.ones(probe.rows, patches, dtype=torch.long)


def _grids(probe: _Probe) -> Tensor | None:
    patches = _patches(probe)
    return None if patches is None else torch.full((probe.rows, 2), isqrt(patches))


def _masked_patches(probe: _Probe) -> Tensor | None:
    patch, side = probe.field("patch_size"), image_size(probe.model.config)
    if not isinstance(patch, int):
        return None
    patches = (side[0] // patch) * (side[1] // patch)
    return torch.rand(probe.rows, patches, generator=probe.generator()) < 0.4


def _sound(probe: _Probe) -> Tensor | None:
    bins = probe.field("num_mel_bins")
    strides, kernels = probe.field("conv_stride"), probe.field("conv_kernel")
    if isinstance(strides, list | tuple) and isinstance(kernels, list | tuple):
        length = reduce(
            lambda left, layer: (left - 1) * layer[0] + layer[1],
            list(zip(strides, kernels, strict=True))[::-1],
            FRAMES,
        )
        return probe.normal(length)
    if isinstance(bins, int):
        return probe.normal(probe.field("max_length") or 64, bins)
    return probe.normal(SAMPLES)


def _spectra(probe: _Probe) -> Tensor | None:
    parts = ("audio_config", "encoder")
    bins = probe.field("num_mel_bins", parts=parts)
    if probe.model.config.model_type == "clap" or "clap" in type(probe.model).__name__.lower():
        return probe.normal(1, 256, bins) if isinstance(bins, int) else None
    places = probe.field("max_source_positions", parts=parts)
    per = probe.field("input_feat_per_channel", parts=parts)
    if isinstance(per, int):
        return probe.normal(4 * TOKENS, per)
    if isinstance(bins, int) and isinstance(places, int):
        return probe.normal(bins, 2 * places)
    size = probe.field(
        "feature_projection_input_dim", "num_mel_bins", "input_channels", parts=parts
    )
    return probe.normal(4 * TOKENS, size) if isinstance(size, int) else None


def _features(probe: _Probe) -> Tensor | None:
    size = probe.field("input_size")
    return probe.normal(size) if isinstance(size, int) else None


_DRAW: dict[str, Draw] = {
    "input_ids": lambda probe: _tokens(probe, "input_ids"),
    "pixel_values": _pixels,
    "input_values": _sound,
    "input_features": _spectra,
    "features": _features,
    "decoder_input_ids": lambda probe: _tokens(probe, "decoder_input_ids"),
    "bbox": _boxes,
    "bool_masked_pos": _masked_patches,
    "pixel_values_videos": lambda probe: None,
    "pixel_attention_mask": lambda probe: _shown_patches(probe),
    "spatial_shapes": lambda probe: _grids(probe),
}
"""By the names of a forward's parameters: what is drawn for them; None where a size is unknown."""


def _no_probe(config: PreTrainedConfig, found: str) -> FamilyError:
    return FamilyError(
        f'no probe input is known for model_type "{config.model_type}"',
        found=found,
        hint="models that take tokens, pixels, sound, or features with input_size, can be probed",
    )
