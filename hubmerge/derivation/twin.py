"""A small model with every kind of layer of a large one: what is traced in its place.

Its configuration is the real one with fewer layers and narrower, by the names that transformers
gives such fields. Several ways of narrowing are tried, the one that separates sizes best first; a
twin is taken if its class builds it, and it has every kind of layer, few parameters, and answers.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import gcd
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from hubmerge.derivation.budget import refuse_delay
from hubmerge.errors import DerivationError, FamilyError
from hubmerge.models.probe import shaken
from hubmerge.models.probe_inputs import configurations, probe_inputs

LARGEST = 5_000_000
"""Parameters of a twin, at most."""

DEPTHS = (2, 3, 4, 6, 8, 12)
"""Numbers of layers that are tried, until every kind is there."""

LAYERS = re.compile(
    r"(num|n)_(hidden_|encoder_|decoder_)?layers?$|^(encoder|decoder)_(num_)?layers$"
    r"|^num_(encoder|decoder)_layers$|^decoder_(num_hidden_)?layers$|^decoder_num_hidden_layers$"
    r"|^(text|vision)_num_hidden_layers$|^num_conformer_layers$|^num_blocks$"
)
STAGES = re.compile(r"^(depths|stage_depths|layer_depths|num_block_repeats)$")
HEADS = re.compile(r"(num|n)_(attention_|encoder_|decoder_)?heads?$|_attention_heads$|^n_head$")
GROUPS = re.compile(r"(num_key_value_heads|num_kv_heads|n_head_kv|num_attention_groups)$")
INSIDES = re.compile(r"^(head_dim|d_kv|attention_head_size|kv_channels|.*_head_dim|key_size)$")
WIDTHS = re.compile(
    r"(hidden|embedding|intermediate|projection|inner|output|expand\w*|mlp|bottleneck|channel)_?"
    r"(size|sizes|dim|dims|channels|features|width)$|^(n_embd|n_inner|d_model|d_ff|dim|embed_dim"
    r"|embed_dims|ffn_dim|width|hidden_dim|hidden_dims|ffn_hidden_size|intermediate_dim|conv_dim"
    r"|word_embed_proj_dim|(encoder|decoder)_ffn_dim|(encoder|decoder)_hidden_size|hidden_sizes"
    r"|neck_hidden_sizes|moe_intermediate_size|shared_expert_intermediate_size|embedding_size"
    r"|decoder_intermediate_size|intermediate_size_mlp|fpn_hidden_size|classifier_proj_size"
    r"|tdnn_dim|projection_size|projection_dim|conv_depthwise\w*|expert_intermediate_size"
    r"|shared_intermediate_size|d_inner|dff|inner_dim|groups_width|qkv_dim|lru_width|dense_intermediate_size"
    r"|encoder_hidden_dim|decoder_hidden_dim|block_ff_dim|conv_inner_dim)$"
)
RANKS = re.compile(r"_lora_rank$|^time_step_rank$|^dt_rank$")
WORDS = re.compile(r"(^|_)vocab_size$|^vocab_size_")
PLACES = re.compile(r"^(max_position_embeddings|n_positions|max_(source|target)_positions|n_ctx)$")
EXPERTS = re.compile(r"^(num_experts|num_local_experts|n_routed_experts|moe_num_experts)$")
EXPERT = re.compile(r"experts\.(expert_)?\d+\.")
STATES = re.compile(r"^(n_groups|num_groups|mamba_n_groups)$")
CHOSEN = re.compile(r"^(num_experts_per_tok|moe_top_k|moe_k|top_k_experts)$")
NUMBERED = re.compile(r"^(.*?)\.(\d+)\.(.*)$")

NO_KIND = ("training", "apply_dropout")
"""Switches of modules that make no difference once a model is trained."""


@dataclass(frozen=True)
class Twin:
    """The model that is traced, and the one it stands for.

    model: in float64, all its weights generic. inputs: of a probe. real: without memory for its
    weights. config, real_config: of both. tensors: what the forward depends on and a checkpoint
    holds, by name.
    """

    model: nn.Module
    inputs: dict[str, Tensor]
    real: nn.Module
    config: PreTrainedConfig
    real_config: PreTrainedConfig
    parameters: int

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Floating tensors that a checkpoint holds; names of one tensor share it."""
        state = self.model.state_dict(keep_vars=True)
        return {name: value for name, value in state.items() if value.is_floating_point()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of everything the twin's state holds."""
        return {name: tuple(value.shape) for name, value in self.model.state_dict().items()}

    @property
    def real_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of everything the real model's state holds."""
        return {name: tuple(value.shape) for name, value in self.real.state_dict().items()}


def make_twin(config: PreTrainedConfig, kind: type[PreTrainedModel], seed: int = 0) -> Twin:
    """The twin of the model that `kind` makes of `config`.

    Raises: DerivationError, if there is none small enough that answers; FamilyError, if no input
    is known for it.
    """
    try:
        real = on_meta(kind, config)
    except Exception as error:  # each class refuses in its own way
        raise DerivationError(
            f"no {kind.__name__} can be built of its configuration",
            found=f"{type(error).__name__}: {error}",
        ) from error
    wanted = kinds(real)
    listed = any(EXPERT.search(name) for name, _ in real.named_parameters())
    failure, problem = "it cannot be made smaller", None
    for narrow in NARROWER:
        for depth in DEPTHS:
            refuse_delay()
            try:
                smaller = narrow(shallow(config, depth))
                if listed:
                    _as_many_experts(smaller, config)
                bones = on_meta(kind, smaller)
                size = parameters(bones)
            except Exception as error:  # each class refuses in its own way
                failure = f"{type(error).__name__}: {error}"
                break
            if size > LARGEST:
                failure = f"the smallest that was tried has {size:,} parameters"
                break
            if kinds(bones) != wanted and depth < _depth(config):
                failure = "no smaller one has every kind of layer"
                continue
            try:
                return _filled(kind, smaller, real, seed)
            except FamilyError as error:
                problem, failure = error, str(error.found)
            except Exception as error:  # as above
                failure = f"{type(error).__name__}: {error}"
            break
    if problem is not None:
        raise problem
    raise DerivationError(
        f"no small model stands for this {kind.__name__}",
        found=failure.splitlines()[0][:300] if failure else None,
        hint="write a spec by hand: docs/spec.md",
    )


def on_meta(kind: type[PreTrainedModel], config: PreTrainedConfig) -> PreTrainedModel:
    """A model without memory for its weights."""
    with torch.device("meta"):
        return kind(copy.deepcopy(config)).eval()


def parameters(model: nn.Module) -> int:
    """How many numbers its parameters hold; tied ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


Module = TypeVar("Module", bound=nn.Module)


def _filled(
    kind: type[PreTrainedModel], config: PreTrainedConfig, real: PreTrainedModel, seed: int
) -> Twin:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(copy.deepcopy(config)).eval()
    plain(model)
    model = generic(shaken(model, seed).double().eval(), seed)
    inputs = probe_inputs(model, seed=seed)
    settle(model, inputs)
    return Twin(model, inputs, real, model.config, real.config, parameters(model))


def settle(model: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    """Gives batch norms statistics near those of what enters them, in place.

    Otherwise signals of a deep network would fade away among its biases.
    """

    def near(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        axes = [n for n in range(args[0].ndim) if n != 1]
        mean, variance = args[0].mean(axes), args[0].var(axes, unbiased=False)
        variance = variance.clamp_min(0.25 * float(variance.mean()) + 1e-6)
        module.running_mean.mul_(variance.sqrt()).add_(mean)  # type: ignore[operator]
        module.running_var.mul_(variance)  # type: ignore[operator]

    norms = [m for m in model.modules() if isinstance(getattr(m, "running_var", None), Tensor)]
    handles = [norm.register_forward_pre_hook(near) for norm in norms]
    try:
        if norms:
            with torch.no_grad():
                model(**inputs)
    finally:
        for handle in handles:
            handle.remove()


def plain(model: PreTrainedModel) -> None:
    """Experts and attention computed by operations that can be traced, where a choice is left."""
    for choose in ("set_experts_implementation", "set_attn_implementation"):
        try:
            getattr(model, choose)("eager")
        except Exception:  # a class may know only one
            continue


def generic(model: Module, seed: int) -> Module:
    """Matrices so large that signals neither vanish nor saturate; in place."""
    generator = torch.Generator().manual_seed(seed + 1)
    seen: set[int] = set()
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim < 2 or value.data_ptr() in seen or not value.is_floating_point():
                continue
            seen.add(value.data_ptr())
            wanted = (value.numel() / value.shape[0]) ** -0.5
            spread = float(value.std()) if value.numel() > 1 else 0.0
            centred = abs(float(value.mean())) < 0.5 * spread
            if centred and spread < 0.5 * wanted:
                noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
                value.copy_(wanted * noise)
    return model


# Depth


def shallow(config: PreTrainedConfig, depth: int) -> PreTrainedConfig:
    """`config` with at most `depth` layers of every stack, and lists of layers cut to fit."""
    smaller = copy.deepcopy(config)
    for each in configurations(smaller):
        fields = dict(vars(each))
        lengths = {v for n, v in fields.items() if LAYERS.search(n) and isinstance(v, int)}
        staged = any(STAGES.search(name) for name in fields)
        if staged:  # whose number of layers is that of its stages
            lengths = set()
        for name, value in fields.items():
            if LAYERS.search(name) and _one(value) and value > depth and not staged:
                _put(each, name, depth)
            elif STAGES.search(name) and isinstance(value, list | tuple):
                _put(each, name, [min(int(v), depth) for v in value])
            elif isinstance(value, list | tuple) and len(value) in lengths and len(value) > depth:
                _put(each, name, list(value)[:depth])
    return smaller


def _depth(config: PreTrainedConfig) -> int:
    found = [0]
    for each in configurations(config):
        for name, value in vars(each).items():
            if LAYERS.search(name) and isinstance(value, int):
                found.append(value)
            elif STAGES.search(name) and isinstance(value, list | tuple):
                found += [int(v) for v in value]
    return max(found)


def kinds(model: nn.Module) -> dict[str, frozenset[Any]]:
    """For every stack of layers: the kinds there are in it, by names, classes and switches."""
    layers: dict[tuple[str, str], list[Any]] = {}
    for name, module in model.named_modules():
        found = NUMBERED.match(f"{name}.")
        if found is None:
            continue
        switches = tuple(
            sorted(
                (key, str(value))
                for key, value in vars(module).items()
                if isinstance(value, bool | str) and not key.startswith("_") and key not in NO_KIND
            )
        )
        own = tuple(sorted(key for key, _ in module.named_parameters(recurse=False)))
        inside = (re.sub(r"\d+", "#", found[3]), type(module).__name__, switches, own)
        layers.setdefault((found[1], found[2]), []).append(inside)
    stacks: dict[str, set[Any]] = {}
    for (stack, _), content in layers.items():
        stacks.setdefault(re.sub(r"\d+", "#", stack), set()).add(frozenset(content))
    return {stack: frozenset(found) for stack, found in stacks.items()}


# Width


def _put(config: PreTrainedConfig, name: str, value: Any) -> None:
    old = getattr(config, name)
    setattr(config, name, tuple(value) if isinstance(old, tuple) else value)


def _numbers(value: Any) -> list[int]:
    if isinstance(value, bool):
        return []
    if isinstance(value, int):
        return [value]
    if isinstance(value, list | tuple) and value and all(type(v) is int for v in value):
        return list(value)
    return []


def narrowest(config: PreTrainedConfig) -> PreTrainedConfig:
    """Few heads with short insides, and every other width a number of its own."""
    return _narrowed(config, heads=True, distinct=True)


def narrower(config: PreTrainedConfig) -> PreTrainedConfig:
    """Few heads; the other widths keep their proportions."""
    return _narrowed(config, heads=True, distinct=False)


def proportional(config: PreTrainedConfig) -> PreTrainedConfig:
    """As many heads; all widths keep their proportions."""
    return _narrowed(config, heads=False, distinct=False)


def fewer_words(config: PreTrainedConfig) -> PreTrainedConfig:
    """The same widths; vocabularies and positions alone are smaller."""
    smaller = copy.deepcopy(config)
    for each in configurations(smaller):
        _shorten(each)
    return smaller


def as_it_is(config: PreTrainedConfig) -> PreTrainedConfig:
    """The configuration itself."""
    return copy.deepcopy(config)


NARROWER = (narrowest, narrower, proportional, fewer_words, as_it_is)


def _narrowed(config: PreTrainedConfig, *, heads: bool, distinct: bool) -> PreTrainedConfig:
    smaller = copy.deepcopy(config)
    taken: set[int] = set()
    for each in configurations(smaller):
        _shorten(each)
        _fewer_experts(each)
        if _thinner(each):
            continue
        fields = {n: v for n, v in vars(each).items() if _numbers(v)}
        scale = _scale(each, fields, heads)
        if scale is None:
            continue
        up, down = scale
        main = _main_width(fields)
        for name, value in fields.items():
            if not (WIDTHS.search(name) or RANKS.search(name)) or name == "vocab_size":
                continue
            new = [max(4, _scaled(v, up, down)) if v > 16 else v for v in _numbers(value)]
            if distinct and name not in main and isinstance(value, int) and value > 16:
                while new[0] in taken:
                    new[0] += 8
            taken.update(new)
            _put(each, name, new if isinstance(value, list | tuple) else new[0])
    return smaller


def _scaled(value: int, up: int, down: int) -> int:
    exact, rest = divmod(value * up, down)
    return exact if not rest else max(8, round(value * up / down / 8) * 8)


def _main_width(fields: Mapping[str, Any]) -> set[str]:
    """Names of the fields that hold the width of the residual stream, which others repeat."""
    for name in ("hidden_size", "d_model", "n_embd", "dim", "embed_dim", "hidden_sizes"):
        if name in fields:
            return {n for n, v in fields.items() if v == fields[name]}
    return set()


def _scale(
    config: PreTrainedConfig, fields: Mapping[str, Any], heads: bool
) -> tuple[int, int] | None:
    """By what widths are multiplied and divided; heads are made few, and short inside."""
    widths = [
        v
        for name, value in fields.items()
        if WIDTHS.search(name) and name != "vocab_size"
        for v in _numbers(value)
        if v > 16
    ]
    if not widths:
        return None
    main = next(
        (v for n in ("hidden_size", "d_model", "n_embd", "dim") if _one(v := fields.get(n))), None
    )
    counts = {
        n: v for n, v in fields.items() if HEADS.search(n) and not GROUPS.search(n) and _one(v)
    }
    inside_of_stages = _inside_of_stages(fields)
    if inside_of_stages is not None:
        return min(8, inside_of_stages), inside_of_stages
    if not heads or main is None or not counts:
        unit = gcd(
            *widths,
            *(
                v
                for n, value in fields.items()
                if INSIDES.search(n)
                for v in _numbers(value)
                if v > 16
            ),
        )
        small = next((k for k in (8, 16, 32) if unit % k == 0 and unit > k), unit)
        for name, value in fields.items():
            if INSIDES.search(name) and unit > small:
                _put(config, name, _each(value, lambda v: max(2, v * small // unit)))
        return small, unit
    shared = {n: v for n, v in fields.items() if GROUPS.search(n) and _one(v)}
    count = max(counts.values())
    given = fields.get("head_dim")
    inside: int = int(given) if given is not None and _one(given) else main // count
    partial = [getattr(config, n, None) for n in ("partial_rotary_factor", "rotary_pct")]
    rotary = getattr(config, "rope_parameters", None)
    if isinstance(rotary, Mapping):
        partial.append(rotary.get("partial_rotary_factor"))
    short = 16 if any(isinstance(p, float) and p < 1 for p in partial) else 8
    short = min(short, inside)
    groups = min(shared.values(), default=count)
    ratio = max(1, count // groups)
    few = 2 * min(ratio, 3) if ratio > 1 and groups > 1 else min(count, 4)
    if ratio > 1 and groups == 1:
        few = min(count, 4)
    for name, value in counts.items():
        _put(config, name, few if value == count else min(value, few))
    for name, value in shared.items():
        _put(config, name, 1 if value == 1 else 2 if ratio > 1 else few)
    for name, value in fields.items():
        if INSIDES.search(name):
            _put(config, name, _each(value, lambda v: max(4, v * short // inside)))
    if _one(fields.get("rotary_dim")):
        _put(config, "rotary_dim", max(2, fields["rotary_dim"] * short // inside // 2 * 2))
    return few * short * main // (count * inside), main


def _inside_of_stages(fields: Mapping[str, Any]) -> int | None:
    """Width of a head, where every stage has a number of heads of its own; None elsewhere."""
    counts = next(
        (_numbers(v) for n, v in fields.items() if HEADS.search(n) and isinstance(v, list | tuple)),
        [],
    )
    widths = next(
        (
            w
            for n, v in fields.items()
            if WIDTHS.search(n)
            and len(w := _numbers(v)) in (1, len(counts))
            and all(each % count == 0 for each, count in zip(w, counts, strict=False))
            and (isinstance(v, list | tuple) or n == "embed_dim")
        ),
        [],
    )
    insides = [width // count for width, count in zip(widths, counts, strict=False) if count]
    return gcd(*insides) if insides else None


def _one(value: Any) -> bool:
    return type(value) is int and value > 0


def _each(value: Any, function: Callable[[int], int]) -> Any:
    return [function(v) for v in value] if isinstance(value, list | tuple) else function(value)


def _fewer_experts(config: PreTrainedConfig) -> None:
    for name, value in dict(vars(config)).items():
        if EXPERTS.search(name) and _one(value) and value > 4:
            _put(config, name, 4)
        elif (CHOSEN.search(name) or name == "n_group") and _one(value) and value > 2:
            _put(config, name, 2)
        elif name == "topk_group" and _one(value) and value > 1:
            _put(config, name, 1)
        elif STATES.search(name) and _one(value) and value > 2:
            _put(config, name, 2)


def _as_many_experts(config: PreTrainedConfig, real: PreTrainedConfig) -> None:
    """Experts that are modules of their own are all there: their names are."""
    for each, theirs in zip(configurations(config), configurations(real), strict=False):
        for name, value in dict(vars(theirs)).items():
            if EXPERTS.search(name) and _one(value):
                _put(each, name, value)


def _thinner(config: PreTrainedConfig) -> bool:
    """Narrows a network whose widths are tables of its class, times a factor; False for others."""
    factor = getattr(config, "width_coefficient", None)
    if isinstance(factor, float) and factor > 0.25:
        hidden: Any = getattr(config, "hidden_dim", None)
        _put(config, "width_coefficient", 0.125)
        _put(config, "depth_coefficient", 1.0)
        if _one(hidden):
            _put(config, "hidden_dim", round(hidden * 0.125 / factor / 8) * 8)
    multiplier = getattr(config, "depth_multiplier", None)
    if isinstance(multiplier, float) and multiplier > 0.25:
        _put(config, "depth_multiplier", 0.25)
    return isinstance(factor, float) or isinstance(multiplier, float)


def _shorten(config: PreTrainedConfig) -> None:
    """Fewer words, places and labels; special tokens and pictures follow."""
    fields = dict(vars(config))
    words = [n for n, v in fields.items() if WORDS.search(n) and _one(v) and v > 16]
    lengths = list(dict.fromkeys(fields[name] for name in words))
    for name in words:  # vocabularies of one length may be one
        _put(config, name, 99 + 2 * lengths.index(fields[name]))
    if words:
        limit, free = 99, iter(range(3, 40))
        for name, value in fields.items():
            if name.endswith(("token_id", "token_index")) or name == "pad_index":
                for each in _numbers(value):
                    if each >= limit:
                        number = next(free)
                        _put(config, name, number if isinstance(value, int) else [number])
    for name, value in fields.items():
        if PLACES.search(name) and _one(value) and value > 16:
            _put(config, name, 62)
        elif name == "type_vocab_size" and _one(value) and value > 8:
            _put(config, name, 5)
    patch: Any = fields.get("patch_size")
    side: Any = fields.get("image_size")
    window: Any = fields.get("window_size")
    staged = any(STAGES.search(name) for name in fields)
    if staged and _one(side) and _one(patch) and _one(window):
        narrow = min(window, 4)
        halved = 2 ** max(len(v) - 1 for n, v in fields.items() if STAGES.search(n))
        _put(config, "window_size", narrow)
        _put(config, "image_size", patch * narrow * halved)
    elif _one(side) and _one(patch) and side > 4 * patch and side % patch == 0 and not staged:
        _put(config, "image_size", 3 * patch)
    elif _one(side) and side > 64 and (side % 32 == 0 or patch is None):
        _put(config, "image_size", 64)
    if _labels(config) > 16:
        config.num_labels = 13


def _labels(config: PreTrainedConfig) -> int:
    return len(getattr(config, "id2label", None) or {})


def tied_in(model: nn.Module) -> dict[str, str]:
    """Second names of tensors, each with the first."""
    said = getattr(model, "all_tied_weights_keys", None)
    if said is not None:
        return dict(said)
    first: dict[int, str] = {}
    state = model.state_dict(keep_vars=True)
    return {n: o for n, v in state.items() if (o := first.setdefault(id(v), n)) != n}
