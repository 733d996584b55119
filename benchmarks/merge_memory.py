"""How much memory does a merge take, in models?

Runs `hubmerge merge A B -o OUT` without data in a process of its own and compares the most memory
it ever held (resident set, VmHWM of /proc/self/status), less what it held once everything was
imported, with the bytes of one model in float32. Checkpoint files that are mapped into memory
count as held. Linux only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import common

MERGE = """
import json, sys
from pathlib import Path

import transformers
import hubmerge.pipeline
from hubmerge.cli import app

def held(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024

getattr(transformers, sys.argv[1])
before = held("VmRSS")
app(sys.argv[2:], standalone_mode=False)
print(json.dumps({"before": before, "peak": held("VmHWM")}))
"""
"""What the process runs: the command line's own entry, between two looks at its memory."""


def merge(a: Path, b: Path, out: Path, match: str) -> tuple[int, int]:
    """Bytes held after the imports, and at most."""
    kind = json.loads((a / "config.json").read_text())["architectures"][0]
    words = [kind, "merge", str(a), str(b), "-o", str(out), "--match", match, "--quiet"]
    run = subprocess.run(
        [sys.executable, "-c", MERGE, *words], check=True, stdout=subprocess.PIPE, text=True
    )
    seen = json.loads(run.stdout.splitlines()[-1])
    return seen["before"], seen["peak"]


def main() -> None:
    """Prints one line per way of matching."""
    parser = common.arguments(__doc__)
    parser.add_argument("--model", choices=common.SHAPES, default="vit-b16")
    options = parser.parse_args()
    if not os.path.exists("/proc/self/status"):
        parser.error("the peak is read from /proc/self/status, which this system does not have")
    print(common.machine())
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        a, b = common.write_pair(folder, options.model, options.quick)
        model = 4 * common.build(options.model, 0, options.quick).num_parameters()
        for match in ("none", "weights"):
            before, peak = merge(a, b, folder / match, match)
            rows.append(
                (
                    match,
                    *(f"{n / 1e6:,.1f}" for n in (model, before, peak, peak - before)),
                    f"{(peak - before) / model:.2f}",
                )
            )
    common.show(("match", "one model MB", "after imports MB", "peak MB", "merge MB", "ratio"), rows)


if __name__ == "__main__":
    main()
