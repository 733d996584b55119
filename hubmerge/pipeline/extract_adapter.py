"""An adapter that makes one model of another: what they differ by, at a low rank."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from hubmerge.errors import MismatchError, RecipeError
from hubmerge.fuse.subset import tied_names
from hubmerge.hub.compare import check_mergeable
from hubmerge.hub.describe import Description, describe
from hubmerge.hub.model_class import made_of, skeleton
from hubmerge.hub.other_formats import ADAPTER, ADAPTER_WEIGHTS
from hubmerge.hub.source import Source, resolve
from hubmerge.hub.target import check_folder
from hubmerge.preparation.adapters.deltas import PREFIX
from hubmerge.preparation.adapters.low_rank import low_rank
from hubmerge.preparation.write import Stored, json_text, stored
from hubmerge.reporting.escape import one_line
from hubmerge.utils.atomic_folder import atomic_folder
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.progress import track
from hubmerge.utils.shown import Shown
from hubmerge.utils.tensor_files import store

TASKS = {
    "ForCausalLM": "CAUSAL_LM",
    "ForSequenceClassification": "SEQ_CLS",
    "ForConditionalGeneration": "SEQ_2_SEQ_LM",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
}
"""Ending of a class -> PEFT's name of what it is for."""


class ExtractedAdapter(Shown, BaseModel):
    """What an extracted adapter is worth.

    model, base: their ids on the Hub, or the names of their folders. error: how far base and
    adapter are from the model, over how far the base alone is (Frobenius norms over all tensors).
    left_out: tensors that differ and that an adapter cannot change -> their share of the squared
    difference.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    text_by: ClassVar[str] = "hubmerge.pipeline.extract_adapter:render"

    model: str
    base: str
    rank: int
    modules: int
    parameters: int
    error: float
    left_out: dict[str, float]


@checked
def extract_adapter(model: str, base: str, rank: int, out: str | Path) -> ExtractedAdapter:
    """Writes a LoRA in PEFT's format into the new folder `out`: `model`, as `base` and an adapter.

    One tensor of each model is in memory at a time.
    Raises: RecipeError, for a rank below 1; MismatchError, if the models are of different kinds, or
    do not differ; TargetError; as `resolve` and `describe`.
    """
    if rank < 1:
        raise RecipeError(f"{rank} is no rank of a matrix", hint="1 or more")
    check_folder(Path(out))
    sources = [resolve(ref) for ref in (model, base)]
    about = [describe(source) for source in sources]
    check_mergeable(*about)
    with ExitStack() as opened:
        kept = []
        for each in about:
            kept.append(stored(each, headers_only=False, trust_remote_code=False))
            opened.callback(kept[-1].close)
        tensors, ranks, found = _extracted(kept[0], kept[1], _modules(about[1]), rank)
    with atomic_folder(Path(out)) as partial:
        store(tensors, partial / ADAPTER_WEIGHTS, {"format": "pt"})
        (partial / ADAPTER).write_text(json_text(_config(about[1], ranks, rank)), encoding="utf-8")
        (partial / "README.md").write_text(_card(sources[1], found), encoding="utf-8")
    return found


def _modules(description: Description) -> dict[str, nn.Module]:
    """Name of a weight -> its module, of all that an adapter may change."""
    with made_of(description):
        model = skeleton(description.config)
    tied = {name for names in tied_names(model) for name in names}
    kinds = (nn.Linear, nn.Embedding, Conv1D)
    return {
        f"{name}.weight": module
        for name, module in model.named_modules()
        if isinstance(module, kinds) and f"{name}.weight" not in tied
    }


def _extracted(
    model: Stored, base: Stored, modules: Mapping[str, nn.Module], rank: int
) -> tuple[dict[str, Tensor], dict[str, int], ExtractedAdapter]:
    """The adapter's tensors, the rank of every module, and what they are worth."""
    tensors, ranks, left_out = dict[str, Tensor](), dict[str, int](), dict[str, float]()
    whole = missed = 0.0
    assert model.checkpoint is not None
    assert base.checkpoint is not None
    if model.headers.keys() != base.headers.keys():
        raise MismatchError(
            "the models hold tensors of different names",
            found=", ".join(sorted(model.headers.keys() ^ base.headers.keys())[:5]),
        )
    with track(len(base.headers), "extracting") as bar:
        for name in base.headers:
            bar.update(1)
            after = model.checkpoint[name]
            delta = after.float() - base.checkpoint[name].float()
            size = float(delta.double().square().sum())
            whole += size
            if size == 0 or not after.is_floating_point():
                continue
            if name not in modules:
                left_out[name] = size
                missed += size
                continue
            module = name.removesuffix(".weight")
            first, second, rest = _pair(delta, modules[name], rank, after.dtype)
            missed += rest
            letters = (
                ("lora_embedding_A", "lora_embedding_B")
                if isinstance(modules[name], nn.Embedding)
                else ("lora_A.weight", "lora_B.weight")
            )
            tensors[f"{PREFIX}{module}.{letters[0]}"] = first
            tensors[f"{PREFIX}{module}.{letters[1]}"] = second
            ranks[module] = len(first)
    if not ranks:
        raise MismatchError(
            f"{model.ref} and {base.ref} differ in nothing that an adapter changes",
            found=", ".join([*left_out][:5]) or "no difference",
        )
    return (
        tensors,
        ranks,
        ExtractedAdapter(
            model=model.description.source.id,
            base=base.description.source.id,
            rank=rank,
            modules=len(ranks),
            parameters=sum(tensor.numel() for tensor in tensors.values()),
            error=math.sqrt(missed / whole),
            left_out={name: size / whole for name, size in left_out.items()},
        ),
    )


def _pair(
    delta: Tensor, module: nn.Module, rank: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, float]:
    """The two matrices of a module as they are stored, and the squared difference they miss."""
    turned = isinstance(module, nn.Embedding | Conv1D)
    wanted = delta.T if turned else delta
    second, first = (part.to(dtype) for part in low_rank(wanted, rank))
    rest = wanted.double() - second.double() @ first.double()
    return first.contiguous(), second.contiguous(), float(rest.square().sum())


def _config(base: Description, ranks: Mapping[str, int], rank: int) -> dict[str, object]:
    """`adapter_config.json`: alphas are the ranks, so that nothing is scaled."""
    source, architecture = base.source, (base.config.architectures or [""])[0]
    task = next((task for end, task in TASKS.items() if architecture.endswith(end)), None)
    lower = {name: each for name, each in ranks.items() if each != rank}
    model = skeleton(base.config)
    return {
        "peft_type": "LORA",
        "task_type": task,
        "base_model_name_or_path": source.id if source.kind == "hub" else None,
        "revision": source.sha if source.kind == "hub" else None,
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": lower,
        "alpha_pattern": lower,
        "target_modules": sorted(ranks),
        "fan_in_fan_out": any(isinstance(module, Conv1D) for module in model.modules()),
        "bias": "none",
        "lora_dropout": 0.0,
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    }


def render(found: ExtractedAdapter) -> str:
    """As a terminal shows it."""
    lines = [
        f"An adapter of rank {found.rank} for {found.modules} modules, with "
        f"{found.parameters:,} numbers.",
        f"It leaves {found.error:.2%} of the difference between {found.model} and {found.base} "
        "(Frobenius norms, over all tensors).",
    ]
    if found.left_out:
        share = sum(found.left_out.values())
        lines.append(
            f"{len(found.left_out)} tensors that differ are in no module that an adapter changes: "
            f"{share:.2%} of the squared difference."
        )
    return "\n".join(lines)


def _card(base: Source, found: ExtractedAdapter) -> str:
    named = f"base_model: {json.dumps(base.id)}\n" if base.kind == "hub" else ""
    said = one_line(render(found).replace("\n", " "))
    head = f"---\nlibrary_name: peft\n{named}tags: [lora, hubmerge]\n---\n"
    return f"{head}\n# Extracted adapter\n\n{said}\n"
