"""Which fields of configurations are sizes, by the names that transformers gives them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from transformers import PreTrainedConfig

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
    r"|tdnn_dim|projection_size|projection_dim|expert_intermediate_size"
    r"|shared_intermediate_size|d_inner|dff|inner_dim|groups_width|qkv_dim|lru_width|dense_intermediate_size"
    r"|encoder_hidden_dim|decoder_hidden_dim|block_ff_dim|conv_inner_dim)$"
)
RANKS = re.compile(r"_lora_rank$|^time_step_rank$|^dt_rank$")
WORDS = re.compile(r"(^|_)vocab_size$|^vocab_size_")
PLACES = re.compile(r"^(max_position_embeddings|n_positions|max_(source|target)_positions|n_ctx)$")
EXPERTS = re.compile(r"^(num_experts|num_local_experts|n_routed_experts|moe_num_experts)$")
STATES = re.compile(r"^(n_groups|num_groups|mamba_n_groups)$")
CHOSEN = re.compile(r"^(num_experts_per_tok|moe_top_k|moe_k|top_k_experts)$")


def put(config: PreTrainedConfig, name: str, value: Any) -> None:
    """Sets a field; a tuple stays one."""
    old = getattr(config, name)
    setattr(config, name, tuple(value) if isinstance(old, tuple) else value)


def numbers(value: Any) -> list[int]:
    """The whole numbers that a field holds: one, or those of a list; none, if it holds others."""
    if isinstance(value, bool):
        return []
    if isinstance(value, int):
        return [value]
    if isinstance(value, list | tuple) and value and all(type(v) is int for v in value):
        return list(value)
    return []


def is_size(value: Any) -> bool:
    """Whether it is a positive whole number."""
    return type(value) is int and value > 0


def of_each(value: Any, function: Callable[[int], int]) -> Any:
    """`function` of a number, or of all in a list."""
    return [function(v) for v in value] if isinstance(value, list | tuple) else function(value)
