"""How much CPU time do commands take before any work, against only importing what they need?

`hubmerge --help`, `hubmerge plan --quick A B` and `hubmerge plan A B` on two tiny Llamas in local
folders, each in a process of its own. The baseline is Python importing torch, transformers and the
models' class. Every command is run once before it is timed, so that
all files are compiled and in the page cache; the least of the repeated runs counts.

CPU time (user and system, of the process and its children) is shown, because other work on the
machine moves it least.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import common
import torch
from transformers import LlamaConfig, LlamaForCausalLM

IMPORTS = "import torch, transformers; from transformers import LlamaForCausalLM"
LIBRARIES = "import torch, transformers, LlamaForCausalLM"
TINY = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def write_llama(folder: Path, seed: int) -> Path:
    """A checkpoint of random weights."""
    torch.manual_seed(seed)
    LlamaForCausalLM(LlamaConfig(**TINY)).save_pretrained(folder)
    return folder


def cpu_seconds(command: list[str], runs: int) -> float:
    """The least of `runs`, after one that is not counted."""
    taken = []
    for _ in range(runs + 1):
        before = children()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        taken.append(children() - before)
    return min(taken[1:])


def children() -> float:
    """CPU seconds of all processes that this one has waited for."""
    taken = os.times()
    return taken.children_user + taken.children_system


def main() -> None:
    """Prints one line per command."""
    parser = common.arguments(__doc__)
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    options = parser.parse_args()
    print(common.machine())
    with tempfile.TemporaryDirectory() as temporary:
        pair = [str(write_llama(Path(temporary) / name, seed)) for seed, name in enumerate("ab")]
        commands = {
            "hubmerge --help": [*common.HUBMERGE, "--help"],
            "hubmerge plan --quick A B": [*common.HUBMERGE, "plan", "--quick", *pair],
            LIBRARIES: [sys.executable, "-c", IMPORTS],
            "hubmerge plan A B": [*common.HUBMERGE, "plan", *pair],
        }
        runs = 1 if options.quick else options.runs
        taken = {name: cpu_seconds(command, runs) for name, command in commands.items()}
    common.show(
        ("command", "cpu s", "to importing"),
        (
            (name, f"{seconds:.2f}", f"{seconds / taken[LIBRARIES]:.2f}")
            for name, seconds in taken.items()
        ),
    )


if __name__ == "__main__":
    main()
