"""Commands import no more than they need: each in a fresh process, by what it has imported."""

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
import json, sys
modules, heavy, *sys.argv = json.loads(sys.argv[1])
try:
    for module in modules:
        __import__(module)
    if not modules:
        from hubmerge.cli import main
        main()
except SystemExit as end:
    assert not end.code, end.code
print("\\n" + json.dumps(sorted(name for name in heavy if name in sys.modules)))
"""


def imported(*arguments: str, modules: tuple[str, ...] = ()) -> set[str]:
    """Which heavy libraries a command imports, or modules of ours."""
    request = json.dumps([modules, sorted(HEAVY), "hubmerge", *arguments])
    command = [sys.executable, "-c", PROGRAM, request]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


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


@pytest.mark.parametrize("arguments", [["--help"], ["merge", "--help"], ["path", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert imported(*arguments) == set()


def test_a_quick_plan_imports_nothing_heavy(llamas: list[str]) -> None:
    # safetensors, which finds a file whole or not, opens it by way of numpy.
    assert imported("plan", "--quick", *llamas) <= {"numpy"}


def test_a_plan_imports_neither_data_sets_nor_plots(llamas: list[str]) -> None:
    found = imported("plan", *llamas)
    assert {"torch", "transformers"} < found
    assert not found & NEVER_PLANNED_WITH


def test_what_every_command_imports_is_light() -> None:
    light = ("hubmerge.errors", "hubmerge.registry", "hubmerge.recipe", "hubmerge.cli")
    assert imported(modules=light) == set()


def test_methods_wait_for_what_they_use() -> None:
    methods = ("hubmerge.matching", "hubmerge.fuse", "hubmerge.pipeline.run")
    assert not imported(modules=methods) & NEVER_PLANNED_WITH
