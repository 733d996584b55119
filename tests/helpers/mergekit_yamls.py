"""What mergekit makes of whole YAML files, on four Llamas of four layers.

    python -m tests.helpers.mergekit_yamls

writes `mergekit_yamls.safetensors` beside this file, checkpoints and merges, where mergekit is
installed (`pip install "hubmerge[compare]"`; what lies there was made by version 0.1.5).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

FILE = Path(__file__).with_name("mergekit_yamls.safetensors")
MODELS = ("base", "a", "b", "c")
CONFIG = LlamaConfig(
    vocab_size=10,
    hidden_size=4,
    intermediate_size=6,
    num_hidden_layers=4,
    num_attention_heads=2,
    num_key_value_heads=1,
    initializer_range=0.5,
)

YAMLS = {
    "weights": """
merge_method: linear
models:
- model: ./a
  parameters: {weight: 2}
- model: ./b
  parameters: {weight: 1.0}
- model: ./c
  parameters: {weight: .5}
dtype: float32
out_dtype: bfloat16
""",
    "gradient": """
merge_method: slerp
base_model: ./b
models:
- model: ./a
- model: ./b
tokenizer_source: base
parameters:
  t:
  - filter: self_attn
    value: [0, .2, 1]
  - filter: mlp
    value: [.9, .1]
  - value: .4
dtype: float32
""",
    "slice": """
merge_method: linear
slices:
- sources:
  - model: ./a
    layer_range: [0, 4]
    parameters: {weight: .25}
  - model: ./c
    layer_range: [0, 4]
    parameters:
      weight: [{filter: down_proj, value: 1}, {value: .75}]
dtype: float32
""",
    "per-model": """
merge_method: ties
base_model: ./base
models:
- model: ./base
- model: ./a
  parameters: {density: .5, weight: .7}
- model: ./b
  parameters: {density: [1, .4], weight: [.2, 1.2]}
- model: ./c
  parameters:
    weight: [{filter: q_proj, value: .5}, {filter: mlp, value: [.1, .9]}, {value: 0}]
parameters: {lambda: 1.3, int8_mask: true, density: .8}
dtype: float32
""",
    "negative": """
merge_method: task_arithmetic
base_model: ./base
models:
- model: ./a
  parameters: {weight: [{filter: attn, value: .9}]}
- model: ./b
  parameters: {weight: -.4}
parameters: {weight: .6, lambda: [1, .5]}
dtype: float32
""",
    "rows": """
merge_method: nuslerp
base_model: ./base
models:
- {model: ./a, parameters: {weight: 3}}
- {model: ./c, parameters: {weight: [1, 2]}}
parameters: {nuslerp_flatten: false, nuslerp_row_wise: true}
dtype: float32
""",
    "crumbs": """
merge_method: breadcrumbs_ties
base_model: ./base
models:
- {model: ./a, parameters: {weight: .5, density: .6, gamma: .1}}
- {model: ./b, parameters: {weight: .8, density: [.9, .5], gamma: .04}}
dtype: float32
""",
    "normalized": """
merge_method: breadcrumbs
base_model: ./base
models:
- {model: ./a, parameters: {weight: [1, 2]}}
- {model: ./b, parameters: {weight: 3}}
parameters: {normalize: true, density: .7}
dtype: float32
""",
    "karcher": """
merge_method: karcher
models: [{model: ./c}, {model: ./a}, {model: ./b}]
parameters: {max_iter: 15, tol: 1.0e-6}
dtype: float32
""",
}

STACKS = {
    "stack": """
merge_method: passthrough
slices:
- sources: [{model: ./a, layer_range: [0, 3]}]
- sources:
  - model: ./b
    layer_range: [1, 4]
    parameters: {scale: [{filter: o_proj, value: .5}, {filter: down_proj, value: -.9}, {value: 1}]}
- sources: [{model: ./c, layer_range: [2, 3]}]
dtype: float32
""",
    "upscaled": """
merge_method: passthrough
slices:
- sources: [{model: ./a, layer_range: [0, 3]}]
- sources: [{model: ./a, layer_range: [1, 4]}]
dtype: bfloat16
""",
    "part": """
merge_method: slerp
base_model: ./a
slices:
- sources: [{model: ./a, layer_range: [1, 3]}, {model: ./b, layer_range: [1, 3]}]
parameters: {t: [0, 1]}
dtype: float32
""",
}
"""Those that stack layers, or take some."""

State = dict[str, Tensor]


def checkpoints() -> dict[str, State]:
    """A base and three models around it."""
    torch.manual_seed(0)
    base = LlamaForCausalLM(CONFIG).state_dict()
    found = {"base": base}
    for name in MODELS[1:]:
        found[name] = {t: v + 0.3 * torch.randn_like(v) for t, v in base.items()}
    return {name: {t: v.clone() for t, v in state.items()} for name, state in found.items()}


def place(states: dict[str, State], folder: Path) -> None:
    """Writes the models into `folder`."""
    for name in MODELS:
        model = LlamaForCausalLM(CONFIG)
        model.load_state_dict(states[name])
        model.save_pretrained(folder / name)


def tensors_in(folder: Path) -> State:
    """Every tensor of a checkpoint."""
    found: State = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found


def by_mergekit(text: str, folder: Path, out: Path) -> State:
    """The merge as mergekit writes it, of models that lie in `folder`."""
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    wanted = MergeConfiguration.model_validate(yaml.safe_load(text.replace("./", f"{folder}/")))
    options = MergeOptions(copy_tokenizer=False, quiet=True, write_model_card=False)
    run_merge(wanted, str(out), options=options)
    return tensors_in(out)


def read() -> dict[str, State]:
    """Name of a checkpoint or of a YAML -> tensors."""
    found: dict[str, State] = {}
    for key, value in load_file(FILE).items():
        name, _, tensor = key.partition(":")
        found.setdefault(name, {})[tensor] = value
    return found


def write() -> None:
    """Makes the file anew."""
    states = checkpoints()
    with tempfile.TemporaryDirectory() as place_of_all:
        folder = Path(place_of_all)
        place(states, folder)
        yamls = {**YAMLS, **STACKS}
        plain = {n: t.replace("tokenizer_source: base\n", "") for n, t in yamls.items()}
        merges = {n: by_mergekit(t, folder, folder / f"of-{n}") for n, t in plain.items()}
    tensors = {
        f"{name}:{tensor}": value.contiguous()
        for name, state in {**states, **merges}.items()
        for tensor, value in state.items()
    }
    save_file(tensors, FILE)


if __name__ == "__main__":
    write()
