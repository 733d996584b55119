"""What a configuration says a forward returns beside its answer, and in which wrapping.

It changes no answer, and is of the program that was written around the model. Here models answer
as transformers' classes do by default; a merge says again what parent A says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig

DEFAULTS: Mapping[str, bool] = {
    "return_dict": True,
    "output_attentions": False,
    "output_hidden_states": False,
}
"""Field -> what transformers takes without it."""


def answer_by_default(config: PreTrainedConfig) -> None:
    """Has `config`, and those within it, ask for answers alone, by their names."""
    for name, value in DEFAULTS.items():
        if getattr(config, name, value) is not value:
            setattr(config, name, value)
    for inner in vars(config).values():
        if isinstance(inner, PreTrainedConfig):
            answer_by_default(inner)


def return_as(said: Mapping[str, Any], written: dict[str, Any]) -> None:
    """Puts these fields of a configuration `said` into `written`, within it as well."""
    for name, value in said.items():
        inner = written.get(name)
        if name in DEFAULTS:
            written[name] = value
        elif isinstance(value, dict) and isinstance(inner, dict):
            return_as(value, inner)
