"""What mergekit itself makes of four small Llama checkpoints.

    python -m tests.helpers.mergekit_merges

writes `mergekit.safetensors` beside this file, checkpoints and merges, where mergekit is installed
(`pip install "hubmerge[compare]"`; what lies there was made by version 0.1.5). The tests compare
with that file everywhere, and with mergekit where it is there.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

FILE = Path(__file__).with_name("mergekit.safetensors")
CHECKPOINTS = ("base", "a", "b", "c")
WEIGHTS = {"a": 0.3, "b": 0.5, "c": 0.2}
DENSITY = 2 / 3
OUTLIERS = 0.05
WINDOW = 0.1

CONFIG = LlamaConfig(
    vocab_size=10,
    hidden_size=8,
    intermediate_size=12,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=1,
    initializer_range=0.5,
)

METHODS: dict[str, dict[str, Any]] = {
    "average": {"merge_method": "linear"},
    "slerp": {"merge_method": "slerp", "parameters": {"t": 0.3}},
    "task-arithmetic": {"merge_method": "task_arithmetic", "parameters": {"normalize": False}},
    "ties": {"merge_method": "ties", "parameters": {"normalize": True}},
    # Rescaled by the paper's 1 / density, not to the vector's old norm.
    "dare": {
        "merge_method": "dare_linear",
        "parameters": {"normalize": False, "rescale": False, "lambda": 1 / DENSITY},
    },
    "dare-ties": {
        "merge_method": "dare_ties",
        "parameters": {"normalize": True, "rescale": False, "lambda": 1 / DENSITY},
    },
    "breadcrumbs": {"merge_method": "breadcrumbs", "parameters": {"normalize": False}},
    "dare/norm": {"merge_method": "dare_linear", "parameters": {"normalize": False}},
    "breadcrumbs-ties": {"merge_method": "breadcrumbs_ties", "parameters": {"normalize": True}},
    "breadcrumbs-ties/summed": {"merge_method": "breadcrumbs_ties"},
    "della": {"merge_method": "della", "parameters": {"normalize": True}},
    "della-linear": {"merge_method": "della_linear", "parameters": {"rescale": False}},
    "nuslerp": {"merge_method": "nuslerp"},
    "nuslerp/base": {"merge_method": "nuslerp"},
    "nuslerp/rows": {"merge_method": "nuslerp", "parameters": {"nuslerp_flatten": False}},
    "nuslerp/columns": {
        "merge_method": "nuslerp",
        "parameters": {"nuslerp_flatten": False, "nuslerp_row_wise": True},
    },
    "multislerp": {"merge_method": "multislerp"},
    "multislerp/base": {"merge_method": "multislerp"},
    "karcher": {"merge_method": "karcher", "parameters": {"max_iter": 20, "tol": 1e-6}},
    "sce": {"merge_method": "sce"},
    "sce/half": {"merge_method": "sce", "parameters": {"select_topk": 0.5}},
    "ram": {"merge_method": "ram", "parameters": {"epsilon": 0.3}},
    "ramplus-tl": {
        "merge_method": "ramplus_tl",
        "parameters": {"epsilon": 0.3, "r": 0.5, "alpha": 2.0},
    },
    "nearswap": {"merge_method": "nearswap", "parameters": {"t": 0.1}},
    "arcee-fusion": {"merge_method": "arcee_fusion"},
    "model-stock": {"merge_method": "model_stock"},
}
"""Our name, and after a slash what is particular -> mergekit's configuration."""

FROM_A = ("slerp", "nearswap", "arcee-fusion")
"""Made of `a` and `b`, `a` being what mergekit calls the base."""
WITHOUT_BASE = (*FROM_A, "average", "karcher", "multislerp")
WITHOUT_BASE += ("nuslerp", "nuslerp/rows", "nuslerp/columns")
UNWEIGHED = (*FROM_A, "model-stock", "karcher", "sce", "sce/half", "ram", "ramplus-tl")
LIKELY = 0.68
"""Probability above which an entry is kept where they differ, in place of chance."""

State = dict[str, Tensor]


def fixed_mask(delta: Tensor) -> Tensor:
    """Two entries of every three, in place of random ones."""
    return (torch.arange(delta.numel()) % 3 != 0).view_as(delta)


def likely(chance: Tensor) -> Tensor:
    """The entries that are likely enough to be kept, in place of random ones."""
    return (chance > LIKELY).to(chance.dtype)


def parents_of(method: str) -> list[str]:
    """Of which checkpoints a merge is made."""
    return ["a", "b"] if method in FROM_A or method.startswith("nuslerp") else list(WEIGHTS)


def checkpoints() -> dict[str, State]:
    """A base and three models around it."""
    torch.manual_seed(0)
    base = LlamaForCausalLM(CONFIG).state_dict()
    found = {"base": base}
    for name in WEIGHTS:
        found[name] = {t: v + 0.3 * torch.randn_like(v) for t, v in base.items()}
    return {name: {t: v.clone() for t, v in state.items()} for name, state in found.items()}


def by_mergekit(states: dict[str, State], method: str, folder: Path) -> State:
    """The merge as mergekit writes it; random masks replaced by the fixed one."""
    from mergekit import sparsify
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    for name, state in states.items():
        if not (folder / name).exists():
            model = LlamaForCausalLM(CONFIG)
            model.load_state_dict(state)
            model.save_pretrained(folder / name)
    given = METHODS[method]
    names = parents_of(method)
    own: dict[str, Any] = {}
    if method.startswith(("ties", "dare", "breadcrumbs", "della")):
        own["density"] = DENSITY
    if method.startswith("breadcrumbs"):
        own["gamma"] = OUTLIERS
    if method.startswith("della"):
        own["epsilon"] = WINDOW
    models = []
    for name in names:
        weighed = {} if method in UNWEIGHED else {"weight": WEIGHTS[name]}
        models.append({"model": str(folder / name), "parameters": {**weighed, **own}})
    base = {} if method in WITHOUT_BASE else {"base_model": str(folder / "base")}
    if method in FROM_A:
        base = {"base_model": str(folder / "a")}
    before, torch_before = sparsify.bernoulli, torch.bernoulli
    if method in ("dare", "dare-ties"):
        sparsify.bernoulli = lambda tensor, density, rescale_norm=None: tensor * fixed_mask(tensor)
    elif method == "dare/norm":
        torch.bernoulli = lambda chance, **_: fixed_mask(chance).to(chance.dtype)
    elif method.startswith("della"):
        torch.bernoulli = lambda chance, **_: likely(chance)
    try:
        wanted = MergeConfiguration.model_validate(
            {"models": models, "dtype": "float32", **base, **given}
        )
        run_merge(
            wanted,
            str(folder / method.replace("/", "-")),
            options=MergeOptions(copy_tokenizer=False, quiet=True),
        )
    finally:
        sparsify.bernoulli, torch.bernoulli = before, torch_before
    merged: State = {}
    for path in sorted((folder / method.replace("/", "-")).glob("*.safetensors")):
        merged |= load_file(path)
    return merged


def read() -> dict[str, State]:
    """Name of a checkpoint or method -> tensors."""
    found: dict[str, State] = {}
    for key, value in load_file(FILE).items():
        name, _, tensor = key.partition(":")
        found.setdefault(name, {})[tensor] = value
    return found


def write() -> None:
    """Makes the file anew."""
    states = checkpoints()
    with tempfile.TemporaryDirectory() as folder:
        merges = {method: by_mergekit(states, method, Path(folder)) for method in METHODS}
    tensors = {
        f"{name}:{tensor}": value.contiguous()
        for name, state in {**states, **merges}.items()
        for tensor, value in state.items()
    }
    save_file(tensors, FILE)


if __name__ == "__main__":
    write()
