"""What peft makes of adapters: a small base, adapters on it, and the base with each merged into it.

    python -m tests.helpers.peft_adapters

writes the folder `peft_adapters` beside this file, where peft is installed (`pip install peft`;
what lies there was made by version 0.21.2).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

FOLDER = Path(__file__).with_name("peft_adapters")
KINDS: dict[str, dict[str, Any]] = {
    "lora": {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "down_proj"]},
    "ranks": {
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["q_proj", "v_proj", "up_proj"],
        "rank_pattern": {"v_proj": 1},
        "alpha_pattern": {"v_proj": 3, "layers.1.self_attn.q_proj": 5},
    },
    "rslora": {"r": 3, "lora_alpha": 6, "use_rslora": True, "target_modules": ["k_proj"]},
    "dora": {"r": 2, "lora_alpha": 4, "use_dora": True, "target_modules": ["o_proj", "gate_proj"]},
    "whole": {
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["embed_tokens", "q_proj"],
        "modules_to_save": ["lm_head"],
    },
    "gpt2": {"r": 2, "lora_alpha": 6, "fan_in_fan_out": True, "target_modules": ["c_attn"]},
    "gpt2-dora": {
        "r": 2,
        "lora_alpha": 6,
        "use_dora": True,
        "fan_in_fan_out": True,
        "target_modules": ["c_fc"],
    },
}
"""Adapter -> what peft's `LoraConfig` says of it."""


def base(kind: str) -> PreTrainedModel:
    """The model that an adapter is for."""
    torch.manual_seed(0)
    if kind.startswith("gpt2"):
        return GPT2LMHeadModel(
            GPT2Config(n_embd=8, n_layer=2, n_head=2, n_positions=8, vocab_size=9)
        )
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=10,
            hidden_size=8,
            intermediate_size=12,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            initializer_range=0.5,
        )
    )


def merged(kind: str) -> dict[str, Tensor]:
    """What peft makes of the base and an adapter."""
    return load_file(FOLDER / kind / "merged.safetensors")


def write() -> None:
    """Makes the folder anew."""
    from peft import LoraConfig, get_peft_model

    shutil.rmtree(FOLDER, ignore_errors=True)
    for seed, (kind, said) in enumerate(KINDS.items(), 1):
        model = base(kind)
        made = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **said))
        torch.manual_seed(seed)
        for value in made.parameters():
            if value.requires_grad:
                value.data += 0.3 * torch.randn_like(value)
        with tempfile.TemporaryDirectory() as place:
            made.save_pretrained(place)
            (FOLDER / kind).mkdir(parents=True)
            for name in ("adapter_config.json", "adapter_model.safetensors"):
                shutil.copyfile(Path(place) / name, FOLDER / kind / name)
        whole = made.merge_and_unload()
        tied = ["lm_head.weight"] if kind.startswith("gpt2") else []
        state = {n: v.clone() for n, v in whole.state_dict().items() if n not in tied}
        save_file(state, FOLDER / kind / "merged.safetensors")


if __name__ == "__main__":
    write()
