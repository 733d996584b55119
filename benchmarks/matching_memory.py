"""How much memory does matching by weights take, over the two models it matches?

Builds two independent models in a process of its own, and compares the most memory held while they
were matched (resident set, VmHWM of /proc/self/status), less what was held before with both in
memory, with the float32 bytes of both. The assignment is compiled beforehand. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import common

MATCH = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
import torch
import common
from hubmerge.assignment import linear_assignment
from hubmerge.matching import find_matcher
from hubmerge.spec.laws import spec_of

def held(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024

torch.set_num_threads(1)
for precision in (np.float32, np.float64):
    linear_assignment(np.eye(2, dtype=precision))
name, matcher, symmetry, quick = sys.argv[2:6]
models = [common.build(name, seed, quick == "quick") for seed in (0, 1)]
spec = spec_of(models[0])
spec = spec.permutations_only if symmetry == "permutations" else spec
states = [model.state_dict() for model in models]
both = sum(4 * value.numel() for state in states for value in state.values())
Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
before = held("VmRSS")
find_matcher(matcher).function(spec, *states, seed=0)
print(json.dumps({"both": both, "before": before, "peak": held("VmHWM")}))
"""
"""What the process runs."""

HEADINGS = ("model", "matcher", "symmetry", "both models MB", "before MB", "peak MB", "ratio")


def match(name: str, matcher: str, symmetry: str, quick: bool) -> dict[str, int]:
    """Bytes of both models, held before matching, and at most."""
    here = str(Path(__file__).parent)
    words = [here, name, matcher, symmetry, "quick" if quick else "whole"]
    run = subprocess.run(
        [sys.executable, "-c", MATCH, *words], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, int] = json.loads(run.stdout.splitlines()[-1])
    return found


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = common.arguments(__doc__)
    parser.add_argument("--model", choices=common.SHAPES, action="append", help="only this one")
    parser.add_argument("--matcher", choices=("descent", "weights"), action="append")
    parser.add_argument("--symmetry", choices=("permutations", "all"), default="permutations")
    if not os.access("/proc/self/clear_refs", os.W_OK):
        parser.error("the peak is read from /proc/self/status, which this system does not have")
    return parser.parse_args()


def main() -> None:
    """Prints one line per model and matcher."""
    asked = options()
    print(common.machine())
    rows = []
    for name in asked.model or common.SHAPES:
        for matcher in asked.matcher or ("descent", "weights"):
            seen = match(name, matcher, asked.symmetry, asked.quick)
            taken = seen["peak"] - seen["before"]
            sizes = (f"{seen[key] / 1e6:,.1f}" for key in ("both", "before", "peak"))
            rows.append((name, matcher, asked.symmetry, *sizes, f"{taken / seen['both']:.2f}"))
    common.show(HEADINGS, rows)


if __name__ == "__main__":
    main()
