"""An adapter's configuration: what it says of the tensors beside it, or why it is not taken.

It is a stranger's file. Format: https://huggingface.co/docs/peft (`LoraConfig`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from hubmerge.errors import WeightsError
from hubmerge.hub.other_formats import ADAPTER
from hubmerge.utils.limits import LIST_ITEMS

PICKLE = "adapter_model.bin"

INERT = frozenset(
    (
        *("auto_mapping", "base_model_name_or_path", "bias", "corda_config", "peft_type"),
        *("ensure_weight_tying", "eva_config", "exclude_modules", "fan_in_fan_out"),
        *("inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform"),
        *("loftq_config", "lora_alpha", "lora_dropout", "lora_ga_config", "modules_to_save"),
        *("peft_version", "qalora_group_size", "r", "rank_pattern", "alpha_pattern", "revision"),
        *("runtime_config", "target_modules", "task_type", "use_dora", "use_rslora"),
        *("arrow_config", "megatron_core"),
    )
)
"""Fields that are read here, or do not change what the tensors mean."""

CHANGES_BASE = ("pissa", "olora", "corda", "loftq")
"""Initial values for which the base's weights were changed too."""

BASE_NAME = 200
"""Most characters of a base's name that are looked at."""

_LITERAL = re.compile(r"[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class AdapterConfig:
    """What scales the tensors of an adapter.

    alpha: of every module, unless `alphas` says otherwise for names that end so. rank_stabilised:
    whether it is divided by the root of the rank. dora: whether magnitudes are apart. transposed:
    whether weights are [in, out]. base: id of the base on the Hub, and its revision.
    """

    alpha: float
    alphas: Mapping[str, float] = field(default_factory=dict)
    rank_stabilised: bool = False
    dora: bool = False
    transposed: bool = False
    base: str | None = None
    revision: str | None = None

    def scale(self, module: str, rank: int) -> float:
        """What the product of a module's two matrices is multiplied with.

        Source: arXiv:2106.09685, section 4.1; of rank-stabilised ones arXiv:2312.03732, section 3.
        """
        fitting = [
            alpha
            for name, alpha in self.alphas.items()
            if module == name or module.endswith(f".{name}")
        ]
        alpha = fitting[0] if fitting else self.alpha
        return alpha / (math.sqrt(rank) if self.rank_stabilised else rank)


def read_config(fields: Any, ref: str) -> AdapterConfig:
    """What `adapter_config.json` says. Raises: WeightsError, by the name of what is not taken."""
    if not isinstance(fields, dict):
        raise _refused(ref, f"{ADAPTER} holds a {type(fields).__name__}")
    if fields.get("peft_type") != "LORA":
        raise _refused(ref, f"peft_type {fields.get('peft_type')!r}, and only LORA is taken")
    for name, value in fields.items():
        if name not in INERT and value not in (None, False, [], {}, ""):
            raise _refused(ref, f"{str(name)[:BASE_NAME]!r}, which changes what its tensors mean")
    start = fields.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(CHANGES_BASE):
        raise _refused(
            ref,
            f"init_lora_weights {start[:BASE_NAME]!r}: it belongs to a base that was changed too",
            "save it with `path_initial_model_for_weight_conversion`: that makes a plain one of it",
        )
    revision = fields.get("revision")
    return AdapterConfig(
        alpha=_number(fields.get("lora_alpha", 8), "lora_alpha", ref),
        alphas=_patterns(fields.get("alpha_pattern"), ref),
        rank_stabilised=_truth(fields, "use_rslora", ref),
        dora=_truth(fields, "use_dora", ref),
        transposed=_truth(fields, "fan_in_fan_out", ref),
        base=_base(fields.get("base_model_name_or_path")),
        revision=revision if isinstance(revision, str) and revision else None,
    )


def _base(said: Any) -> str | None:
    """The id of the base on the Hub; None for what is none, such as a path of another machine."""
    if not isinstance(said, str) or not 0 < len(said) <= BASE_NAME or not said.isprintable():
        return None
    try:
        validate_repo_id(said)
    except HFValidationError:
        return None
    return said


def _patterns(said: Any, ref: str) -> dict[str, float]:
    if said in (None, {}):
        return {}
    if not isinstance(said, dict) or len(said) > LIST_ITEMS:
        raise _refused(ref, "alpha_pattern, which is no mapping")
    found = {}
    for name, value in said.items():
        plain = str(name).removeprefix("^").replace("\\.", ".")
        if not _LITERAL.fullmatch(plain):
            raise _refused(ref, f"alpha_pattern with the expression {str(name)[:BASE_NAME]!r}")
        found[plain] = _number(value, "alpha_pattern", ref)
    return found


def _number(said: Any, name: str, ref: str) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not abs(said) < 1e9:
        raise _refused(ref, f"{name} {str(said)[:BASE_NAME]!r}, which is no number")
    return float(said)


def _truth(fields: Mapping[str, Any], name: str, ref: str) -> bool:
    said = fields.get(name)
    if said not in (None, True, False):
        raise _refused(ref, f"{name} {str(said)[:BASE_NAME]!r}, which is neither true nor false")
    return bool(said)


def _refused(ref: str, found: str, hint: str | None = None) -> WeightsError:
    return WeightsError(
        f"the adapter {ref} is not taken",
        found=found,
        source=ADAPTER,
        hint=hint or "merge it into its base first: peft's merge_and_unload",
    )
