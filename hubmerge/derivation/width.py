"""Narrower layers: several ways, the one that separates sizes best first."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from math import gcd
from typing import Any

from transformers import PreTrainedConfig

from hubmerge.derivation.fewer import THIN, fewer_experts, shorten, thinner
from hubmerge.derivation.sized_fields import (
    GROUPS,
    HEADS,
    INSIDES,
    RANKS,
    WIDTHS,
    is_size,
    numbers,
    of_each,
    put,
)
from hubmerge.derivation.timm_sizes import narrow_timm
from hubmerge.models.probe_inputs import configurations


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
        shorten(each)
    return smaller


def as_it_is(config: PreTrainedConfig) -> PreTrainedConfig:
    """The configuration itself."""
    return copy.deepcopy(config)


Narrow = Callable[[PreTrainedConfig], PreTrainedConfig]

NARROWER: tuple[Narrow, ...] = (narrowest, narrower, proportional, fewer_words, as_it_is)


def _narrowed(config: PreTrainedConfig, *, heads: bool, distinct: bool) -> PreTrainedConfig:
    smaller = copy.deepcopy(config)
    taken: set[int] = set()
    thinned = _thinned(smaller)
    for each in configurations(smaller):
        shorten(each)
        fewer_experts(each)
        if each.model_type == "timm_wrapper":
            narrow_timm(each)
        if thinner(each):
            continue
        fields = {n: v for n, v in vars(each).items() if numbers(v)}
        scale = thinned if each is smaller and thinned else _scale(each, fields, heads)
        if scale is None:
            continue
        up, down = scale
        main = _main_width(fields)
        for name, value in fields.items():
            if not (WIDTHS.search(name) or RANKS.search(name)) or name == "vocab_size":
                continue
            new = [max(4, _scaled(v, up, down)) if v > 16 else v for v in numbers(value)]
            if len(set(new)) < len(set(numbers(value))):  # widths that differ hide no layer
                new = [max(4, _scaled(v, up, down)) for v in numbers(value)]
            if distinct and name not in main and isinstance(value, int) and value > 16:
                while new[0] in taken:
                    new[0] += 8
            taken.update(new)
            put(each, name, new if isinstance(value, list | tuple) else new[0])
    _share(smaller, config)
    return smaller


def _thinned(config: PreTrainedConfig) -> tuple[int, int] | None:
    """By what a part is narrowed whose widths are tables of its class; None without such a part.

    What joins it to other parts is as wide as the last of these.
    """
    for each in list(configurations(config))[1:]:
        factor = getattr(each, "width_coefficient", None)
        if isinstance(factor, float) and factor > THIN:
            return 1, round(factor / THIN)
    return None


def _share(smaller: PreTrainedConfig, config: PreTrainedConfig) -> None:
    """Gives a width of the whole that parts repeat by its name, as one of projections, to these."""
    whole, *parts = zip(configurations(smaller), configurations(config), strict=True)
    for name, value in vars(whole[1]).items():
        if name.startswith("projection") and WIDTHS.search(name) and is_size(value):
            for ours, theirs in parts:
                if getattr(theirs, name, None) == value:
                    put(ours, name, getattr(whole[0], name))


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
        for v in numbers(value)
        if v > 16
    ]
    if not widths:
        return None
    main = next(
        (v for n in ("hidden_size", "d_model", "n_embd", "dim") if is_size(v := fields.get(n))),
        None,
    )
    counts = {
        n: v for n, v in fields.items() if HEADS.search(n) and not GROUPS.search(n) and is_size(v)
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
                for v in numbers(value)
                if v > 16
            ),
        )
        small = next((k for k in (8, 16, 32) if unit % k == 0 and unit > k), unit)
        head = main // max(counts.values()) if main is not None and counts else unit
        if small == unit and head > 8:  # the widths have nothing in common but their heads
            return 8, head
        for name, value in fields.items():
            if INSIDES.search(name) and unit > small:
                put(config, name, of_each(value, lambda v: max(2, v * small // unit)))
        return small, unit
    shared = {n: v for n, v in fields.items() if GROUPS.search(n) and is_size(v)}
    count = max(counts.values())
    given = fields.get("head_dim")
    inside: int = int(given) if given is not None and is_size(given) else main // count
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
    grouped = {v for n, v in fields.items() if "groups" in n and is_size(v)}
    if few in grouped:  # groups of a convolution are no heads
        few = next((k for k in (6, 3, 2) if count % k == 0 and k not in grouped), few)
    for name, value in counts.items():
        put(config, name, few if value == count else min(value, few))
    for name, value in shared.items():
        put(config, name, 1 if value == 1 else 2 if ratio > 1 else few)
    for name, value in fields.items():
        if INSIDES.search(name):
            put(config, name, of_each(value, lambda v: max(4, v * short // inside)))
    if is_size(fields.get("rotary_dim")):
        put(config, "rotary_dim", max(2, fields["rotary_dim"] * short // inside // 2 * 2))
    return few * short * main // (count * inside), main


def _inside_of_stages(fields: Mapping[str, Any]) -> int | None:
    """Width of a head, where every stage has a number of heads of its own; None elsewhere."""
    counts = next(
        (numbers(v) for n, v in fields.items() if HEADS.search(n) and isinstance(v, list | tuple)),
        [],
    )
    widths = next(
        (
            w
            for n, v in fields.items()
            if WIDTHS.search(n)
            and len(w := numbers(v)) in (1, len(counts))
            and all(each % count == 0 for each, count in zip(w, counts, strict=False))
            and (isinstance(v, list | tuple) or n == "embed_dim")
        ),
        [],
    )
    insides = [width // count for width, count in zip(widths, counts, strict=False) if count]
    return gcd(*insides) if insides else None
