"""Commands import no more than they need, by what a fresh process has imported after each."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

HEAVY = {
    *("torch", "transformers", "numpy", "scipy", "pandas", "accelerate", "datasets"),
    *("numba", "sklearn", "matplotlib", "gradio", "PIL"),
}
NEVER_PLANNED_WITH = {"datasets", "matplotlib", "pandas", "numba", "sklearn", "gradio"}
PROGRAM = """
import importlib, json, sys
steps, heavy = json.loads(sys.argv[1])
sys.argv, seen = ["hubmerge"], []
for modules, arguments in steps:
    for module in modules:
        importlib.import_module(module)
    if arguments:
        sys.argv = ["hubmerge", *arguments]
        try:
            from hubmerge.cli import main
            main()
        except SystemExit as end:
            assert not end.code, end.code
    seen.append(sorted(name for name in heavy if name in sys.modules))
print("\\n" + json.dumps(seen))
"""
LIGHT = ["hubmerge.errors", "hubmerge.registry", "hubmerge.recipe", "hubmerge.cli"]
METHODS = ["hubmerge.matching", "hubmerge.fuse", "hubmerge.pipeline.run"]


@pytest.fixture(scope="module")
def llamas(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Folders of two tiny language models."""
    folder, found = tmp_path_factory.mktemp("llamas"), []
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 8}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    for seed in (0, 1):
        torch.manual_seed(seed)
        LlamaForCausalLM(LlamaConfig(**shape, **heads)).save_pretrained(folder / str(seed))
        found.append(str(folder / str(seed)))
    return found


@pytest.fixture(scope="module")
def imported(llamas: list[str]) -> dict[str, set[str]]:
    """Which heavy libraries are imported once a step is done, and those before it.

    In one process, the lightest first: none takes a library out again.
    """
    steps = {
        "modules": (LIGHT, []),
        "help": ([], ["--help"]),
        "help of merge": ([], ["merge", "--help"]),
        "help of path": ([], ["path", "--help"]),
        "quick plan": ([], ["plan", "--quick", *llamas]),
        "plan": ([], ["plan", *llamas]),
        "methods": (METHODS, []),
    }
    request = json.dumps([list(steps.values()), sorted(HEAVY)])
    command = [sys.executable, "-c", PROGRAM, request]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return dict(zip(steps, map(set, json.loads(done.stdout.splitlines()[-1])), strict=True))


@pytest.mark.parametrize("step", ["help", "help of merge", "help of path"])
def test_help_imports_nothing_heavy(imported: dict[str, set[str]], step: str) -> None:
    assert imported[step] == set()


def test_a_quick_plan_imports_nothing_heavy(imported: dict[str, set[str]]) -> None:
    # safetensors, which finds a file whole or not, opens it by way of numpy.
    assert imported["quick plan"] <= {"numpy"}


def test_a_plan_imports_neither_data_sets_nor_plots(imported: dict[str, set[str]]) -> None:
    assert {"torch", "transformers"} < imported["plan"]
    assert not imported["plan"] & NEVER_PLANNED_WITH


def test_what_every_command_imports_is_light(imported: dict[str, set[str]]) -> None:
    assert imported["modules"] == set()


def test_methods_wait_for_what_they_use(imported: dict[str, set[str]]) -> None:
    assert not imported["methods"] & NEVER_PLANNED_WITH
