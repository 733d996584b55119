"""Every figure of docs/large-models.md, one table after the other.

Runs `streaming.py` three times: whole commands with two Llamas of 0.38 billion parameters, how time
and memory grow from 1.1 to 3 billion, and processes, matching and measuring at 1.1 billion in files
of 500 MB. `--only` names some of them. About 30 GB of disk are needed, in the folder that TMPDIR
names, for the second and 10 GB for the others; what is written is removed. A run that fails does
not keep the others from running.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import common

STREAMING = Path(__file__).parent / "streaming.py"
RUNS = {
    "commands": ("--layers", "6", "--parts", "commands"),
    "sizes": ("--layers", "22", "--more-layers", "64", "--parts", "sizes"),
    "one size": (
        *("--layers", "22", "--shards", "500MB"),
        *("--parts", "processes", "matching", "measuring"),
    ),
}
ROOM = {"commands": 10, "sizes": 32, "one size": 10}
"""GB of disk that each of them takes."""


def main() -> None:
    """Prints the tables of each run under its name and its command."""
    parser = common.arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(RUNS), default=list(RUNS))
    parser.add_argument("--mergekit", metavar="PROGRAM", help="mergekit-yaml of an environment")
    options = parser.parse_args()
    place, failed = tempfile.gettempdir(), list[str]()
    free = shutil.disk_usage(place).free / 1e9
    if not options.quick and free < max(ROOM[name] for name in options.only):
        parser.error(f"{free:.0f} GB are free at {place}: set TMPDIR, or leave sizes out by --only")
    for name in options.only:
        words = [*RUNS[name], *(["--quick"] if options.quick else [])]
        if name == "commands" and options.mergekit:
            words += ["--mergekit", options.mergekit]
        print(f"\n{name}: streaming.py {' '.join(words)}", flush=True)
        if subprocess.run([sys.executable, str(STREAMING), *words]).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
