"""Fewer layers, and the kinds of layers there are: how shallow a twin may be."""

from __future__ import annotations

import copy
import re
from typing import Any

from torch import nn
from transformers import PreTrainedConfig

from hubmerge.derivation.sized_fields import LAYERS, STAGES, is_size, put
from hubmerge.models.probe_inputs import configurations

NUMBERED = re.compile(r"^(.*?)\.(\d+)\.(.*)$")

NO_KIND = ("training", "apply_dropout")
"""Switches of modules that make no difference once a model is trained."""


def shallow(config: PreTrainedConfig, depth: int) -> PreTrainedConfig:
    """`config` with at most `depth` layers of every stack, and lists of layers cut to fit."""
    smaller = copy.deepcopy(config)
    for each in configurations(smaller):
        fields = dict(vars(each))
        lengths = {v for n, v in fields.items() if LAYERS.search(n) and isinstance(v, int)}
        staged = any(STAGES.search(name) for name in fields)
        if staged and depth < depth_of(each) and hasattr(each, "depth_coefficient"):
            put(each, "depth_coefficient", 1.0)
        if staged:  # whose number of layers is that of its stages
            lengths = set()
        for name, value in fields.items():
            if LAYERS.search(name) and is_size(value) and value > depth and not staged:
                put(each, name, depth)
            elif STAGES.search(name) and isinstance(value, list | tuple):
                put(each, name, [min(int(v), depth) for v in value])
            elif isinstance(value, list | tuple) and len(value) in lengths and len(value) > depth:
                put(each, name, list(value)[:depth])
    return smaller


def is_staged(config: PreTrainedConfig) -> bool:
    """Whether its layers are counted stage by stage."""
    return any(STAGES.search(name) for each in configurations(config) for name in vars(each))


def depth_of(config: PreTrainedConfig) -> int:
    """Layers of the longest stack, as the configuration says."""
    found = [0]
    for each in configurations(config):
        for name, value in vars(each).items():
            if LAYERS.search(name) and isinstance(value, int):
                found.append(value)
            elif STAGES.search(name) and isinstance(value, list | tuple):
                found += [int(v) for v in value]
    return max(found)


def indexed(config: PreTrainedConfig) -> int:
    """How many layers there must be, so that those whose outputs are read by number exist."""
    numbers_read = [
        int(number)
        for each in configurations(config)
        if not any(STAGES.search(name) for name in vars(each))  # which number stages
        for name, value in vars(each).items()
        if name.endswith("out_indices") and isinstance(value, list | tuple)
        for number in value
    ]
    return max(numbers_read, default=-1) + 1


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
