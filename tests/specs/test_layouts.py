"""Layouts of other architectures: the language says them, and matching finds its way in them.

The models are transformers' own (or plain torch where there is none), so that a sketch which reads
well and is wrong fails.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import transformers
from torch import nn

from hubmerge.matching import find_matcher
from hubmerge.models import shaken
from hubmerge.specs.bind import bind
from hubmerge.symmetry.laws import deviation, outputs
from hubmerge.symmetry.permutation import invert, permute, random_permutation
from tests.helpers.families import family

GPT2 = """
match.model_type = "gpt2"
fixed.vocab = "vocab_size"
fixed.place = "n_positions"
space.resid = "n_embd"
[param]
"transformer.wte.weight" = "vocab resid"
"transformer.wpe.weight" = "place resid"
"transformer.ln_f.weight" = "resid"
"transformer.ln_f.bias" = "resid"
"lm_head.weight?" = "vocab resid"
[[block]]
at = "transformer.h.{layer}"
space.head = "n_head"
space.qk = { within = "head" }
space.vo = { within = "head" }
space.ff = {}
[block.param]
"ln_1.weight" = "resid"
"ln_1.bias" = "resid"
"ln_2.weight" = "resid"
"ln_2.bias" = "resid"
"attn.c_attn.weight" = "resid (head qk + head qk + head vo)"
"attn.c_attn.bias" = "(head qk + head qk + head vo)"
"attn.c_proj.weight" = "(head vo) resid"
"attn.c_proj.bias" = "resid"
"mlp.c_fc.weight" = "resid ff"
"mlp.c_fc.bias" = "ff"
"mlp.c_proj.weight" = "ff resid"
"mlp.c_proj.bias" = "resid"
"""

LLAMA = """
match.model_type = "llama"
fixed.vocab = "vocab_size"
fixed.rot = "head_dim"
space.resid = "hidden_size"
[param]
"model.embed_tokens.weight" = "vocab resid"
"model.norm.weight" = "resid"
"lm_head.weight" = "vocab resid"
[[block]]
at = "model.layers.{layer}"
space.kv = "num_key_value_heads"
space.q = { within = "kv" }
space.vo = { within = "kv" }
space.ff = {}
[block.param]
"input_layernorm.weight" = "resid"
"post_attention_layernorm.weight" = "resid"
"self_attn.q_proj.weight" = "(kv q rot) resid"
"self_attn.k_proj.weight" = "(kv rot) resid"
"self_attn.v_proj.weight" = "(kv vo) resid"
"self_attn.o_proj.weight" = "resid (kv q vo)"
"mlp.gate_proj.weight" = "ff resid"
"mlp.up_proj.weight" = "ff resid"
"mlp.down_proj.weight" = "resid ff"
"""

NEOX = """
match.model_type = "gpt_neox"
fixed.vocab = "vocab_size"
fixed.rot = 4
space.resid = "hidden_size"
[param]
"gpt_neox.embed_in.weight" = "vocab resid"
"gpt_neox.final_layer_norm.weight" = "resid"
"gpt_neox.final_layer_norm.bias" = "resid"
"lm_head.weight" = "vocab resid"
[[block]]
at = "gpt_neox.layers.{layer}"
space.head = "num_attention_heads"
space.vo = { within = "head" }
space.ff = {}
[block.param]
"input_layernorm.weight" = "resid"
"input_layernorm.bias" = "resid"
"post_attention_layernorm.weight" = "resid"
"post_attention_layernorm.bias" = "resid"
"attention.query_key_value.weight" = "(head (rot + rot + vo)) resid"
"attention.query_key_value.bias" = "(head (rot + rot + vo))"
"attention.dense.weight" = "resid (head vo)"
"attention.dense.bias" = "resid"
"mlp.dense_h_to_4h.weight" = "ff resid"
"mlp.dense_h_to_4h.bias" = "ff"
"mlp.dense_4h_to_h.weight" = "resid ff"
"mlp.dense_4h_to_h.bias" = "resid"
"""

PHI3 = """
match.model_type = "phi3"
fixed.vocab = "vocab_size"
fixed.rot = 4
space.resid = "hidden_size"
[param]
"model.embed_tokens.weight" = "vocab resid"
"model.norm.weight" = "resid"
"lm_head.weight" = "vocab resid"
[[block]]
at = "model.layers.{layer}"
space.kv = "num_key_value_heads"
space.q = { within = "kv" }
space.vo = { within = "kv", size = 4 }
space.ff = {}
[block.param]
"input_layernorm.weight" = "resid"
"post_attention_layernorm.weight" = "resid"
"self_attn.qkv_proj.weight" = "(kv q rot + kv rot + kv vo) resid"
"self_attn.o_proj.weight" = "resid (kv q vo)"
"mlp.gate_up_proj.weight" = "(ff + ff) resid"
"mlp.down_proj.weight" = "resid ff"
"""

MIXTRAL = """
match.model_type = "mixtral"
fixed.vocab = "vocab_size"
fixed.rot = 4
space.resid = "hidden_size"
[param]
"model.embed_tokens.weight" = "vocab resid"
"model.norm.weight" = "resid"
"lm_head.weight" = "vocab resid"
[[block]]
at = "model.layers.{layer}"
space.kv = "num_key_value_heads"
space.q = { within = "kv" }
space.vo = { within = "kv" }
space.expert = "num_local_experts"
space.ff = { within = "expert" }
[block.param]
"input_layernorm.weight" = "resid"
"post_attention_layernorm.weight" = "resid"
"self_attn.q_proj.weight" = "(kv q rot) resid"
"self_attn.k_proj.weight" = "(kv rot) resid"
"self_attn.v_proj.weight" = "(kv vo) resid"
"self_attn.o_proj.weight" = "resid (kv q vo)"
"mlp.gate.weight" = "expert resid"
"mlp.experts.gate_up_proj" = "expert (ff + ff) resid"
"mlp.experts.down_proj" = "expert resid ff"
"""

VGG = """
match.model_type = "vgg"
fixed = { colour = 3, label = 2, h = {}, w = 4 }
space = { first = {}, chan = {}, fc = {} }
[param]
"conv.weight" = "first colour 3 3"
"conv.bias" = "first"
"depth.weight" = "first 1 3 3"
"depth.bias" = "first"
"point.weight" = "chan first 1 1"
"point.bias" = "chan"
"fc.weight" = "fc (chan h w)"
"fc.bias" = "fc"
"out.weight" = "label fc"
"out.bias" = "label"
[watch]
"-> fc" = "* (chan h w)"
"""

ALIBI = """
match.model_type = "alibi"
fixed = { head = 3, label = 2 }
space = { resid = {}, qk = { within = "head" }, vo = { within = "head" } }
[param]
"embed" = "7 resid"
"q" = "(head qk) resid"
"k" = "(head qk) resid"
"v" = "(head vo) resid"
"o" = "resid (head vo)"
"out" = "label resid"
"""


class Vgg(nn.Module):
    """Convolutions, one of them depthwise, flattened into a linear layer."""

    config = SimpleNamespace(model_type="vgg")

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.depth = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, groups=6)
        self.point, self.fc, self.out = nn.Conv2d(6, 5, 1), nn.Linear(60, 9), nn.Linear(9, 2)

    def forward(self, x):
        x = self.point(self.depth(self.conv(x).relu()).relu()).relu()
        return SimpleNamespace(logits=self.out(self.fc(x.flatten(1)).relu()))


class Alibi(nn.Module):
    """Attention whose heads each look back their own distance: only their insides are free."""

    config = SimpleNamespace(model_type="alibi")

    def __init__(self) -> None:
        super().__init__()
        for name, shape in {
            "embed": (7, 8), "q": (12, 8), "k": (12, 8), "v": (15, 8), "o": (8, 15), "out": (2, 8)
        }.items():  # fmt: skip
            setattr(self, name, nn.Parameter(torch.randn(shape)))

    def forward(self, ids):
        x = self.embed[ids]
        q, k, v = (
            (x @ w.T).unflatten(-1, (3, -1)).transpose(1, 2) for w in (self.q, self.k, self.v)
        )
        distance = torch.arange(ids.shape[1], dtype=x.dtype)
        bias = -(distance[:, None] - distance).abs() * torch.tensor([0.5, 1.0, 2.0])[:, None, None]
        mixed = (q @ k.transpose(-1, -2) + bias).softmax(-1) @ v
        x = x + mixed.transpose(1, 2).flatten(2) @ self.o.T
        return SimpleNamespace(logits=x @ self.out.T)


SMALL = {
    "vocab_size": 11,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "intermediate_size": 10,
    "max_position_embeddings": 8,
    "pad_token_id": None,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
GROUPED = SMALL | {"num_attention_heads": 4, "num_key_value_heads": 2}


def language_model(kind, **config):
    built = getattr(transformers, f"{kind}Config")(**config)
    model = getattr(transformers, f"{kind}ForCausalLM", None) or transformers.GPT2LMHeadModel
    return model(built)


def in_layers(prefix, layers=2, **sizes):
    return {f"{prefix}.{k}.{name}": size for k in range(layers) for name, size in sizes.items()}


ROUNDING = 1e-6
"""Some of these models take their norms in float32 whatever they are given."""

IDS = {"input_ids": torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])}
IMAGES = {"x": torch.randn(2, 3, 7, 8, generator=torch.Generator().manual_seed(0)).double()}
KV = {"kv": 2, "q": 2, "vo": 4}
EXPERTS = {"num_local_experts": 3, "experts_implementation": "eager"}

LAYOUTS = {
    "gpt2": (
        GPT2,
        lambda: language_model(
            "GPT2", vocab_size=11, n_embd=16, n_layer=2, n_head=4, n_positions=8, bos_token_id=0,
            eos_token_id=1, attn_pdrop=0.0,
        ),
        IDS,
        {"resid": 16} | in_layers("transformer.h", head=4, qk=4, vo=4, ff=64),
    ),
    "llama": (
        LLAMA,
        lambda: language_model("Llama", **GROUPED),
        IDS,
        {"resid": 16} | in_layers("model.layers", **KV, ff=10),
    ),
    "gpt_neox": (
        NEOX,
        lambda: language_model("GPTNeoX", **SMALL, num_attention_heads=4),
        IDS,
        {"resid": 16} | in_layers("gpt_neox.layers", head=4, vo=4, ff=10),
    ),
    "phi3": (
        PHI3,
        lambda: language_model("Phi3", **GROUPED),
        IDS,
        {"resid": 16} | in_layers("model.layers", **KV, ff=10),
    ),
    "mixtral": (
        MIXTRAL,
        lambda: language_model("Mixtral", **GROUPED, **EXPERTS),
        IDS,
        {"resid": 16} | in_layers("model.layers", **KV, expert=3, ff=10),
    ),
    "vgg": (VGG, Vgg, IMAGES, {"first": 6, "chan": 5, "fc": 9}),
    "alibi": (ALIBI, Alibi, {"ids": IDS["input_ids"] % 7}, {"resid": 8, "qk": 4, "vo": 5}),
}  # fmt: skip


@pytest.fixture(params=LAYOUTS)
def layout(request, tmp_path):
    """Model in float64, spec, inputs, expected freedom."""
    text, build, inputs, parametrization = LAYOUTS[request.param]
    torch.manual_seed(0)
    model = shaken(build()).double().eval()
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    return (
        model,
        bind(family(tmp_path, text, request.param), model.config, shapes),
        inputs,
        parametrization,
    )


def test_the_language_says_it(layout):
    model, spec, inputs, parametrization = layout
    assert spec.free_spaces() == parametrization
    state = model.state_dict()
    reference = outputs(model, state, inputs)
    for seed in range(3):
        moved = outputs(model, permute(spec, state, random_permutation(spec, seed)), inputs)
        assert deviation(reference, moved) < ROUNDING


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_weight_matching_recovers_a_planted_symmetry_in_it(layout, noise):
    model, spec, _, _ = layout
    element = random_permutation(spec, 5)
    generator = torch.Generator().manual_seed(0)
    planted = {
        name: value
        + noise * value.std() * torch.randn(value.shape, generator=generator, dtype=value.dtype)
        for name, value in permute(spec, model.state_dict(), element).items()
    }
    found = find_matcher("weights").function(spec, model.state_dict(), planted)
    for space, index in invert(spec, element).items():
        assert torch.equal(found.permutation[space], index), space


def test_an_inverse_undoes_in_it(layout):
    model, spec, _, _ = layout
    element, state = random_permutation(spec, 6), model.state_dict()
    back = permute(spec, permute(spec, state, element), invert(spec, element))
    assert all(torch.equal(back[name], value) for name, value in state.items())
