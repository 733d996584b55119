"""`when`: which blocks, and which copies of a block, a configuration asks for.

A field that holds a list says something of every layer: `layer_types = "full_attention"` is asked
of each copy by its last number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubmerge.errors import SpecError
from hubmerge.specs.config_fields import field_of


def asked_of_layers(when: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """Those of the conditions that are asked layer by layer."""
    return {
        name: wanted
        for name, wanted in when.items()
        if isinstance(field_of(config, name), list | tuple) and not _is_table(wanted)
    }


def asked_of_models(when: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """Those that are asked once."""
    layers = asked_of_layers(when, config)
    return {name: wanted for name, wanted in when.items() if name not in layers}


def holds_in_layer(
    when: Mapping[str, Any], config: Any, numbers: Sequence[int], at: str, source: str
) -> bool:
    """Whether the copy with these `numbers` is of the kind that the block at `at` is for.

    Raises: SpecError, if the copy has no number, or the field no value for it.
    """
    for name, wanted in asked_of_layers(when, config).items():
        values = field_of(config, name)
        if not numbers or numbers[-1] >= len(values):
            copy = f"of copy {numbers[-1]}" if numbers else "without a number"
            raise SpecError(
                f'block "{at}" asks for {name} {copy}',
                found=f"{name} has {len(values)} values, one per layer",
                source=source,
                hint="the last {} of `at` must number the layers that the field tells of",
            )
        if values[numbers[-1]] not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True


def _is_table(wanted: Any) -> bool:
    """Whether whole lists are wanted, and not values of their layers."""
    return isinstance(wanted, list) and all(isinstance(each, list) for each in wanted)
