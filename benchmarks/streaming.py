"""How long does a merge of two large models take, and how much memory does it hold?

Two Llamas of TinyLlama's width with random weights (`--layers` of them) are averaged, and merged by
TIES with a base, as whole commands that match, repair and measure nothing. Beside that: `S`, the
same command on a tiny pair, which is what starting takes; reading all parents and writing and
syncing one result; and mergekit, where `--mergekit` names its `mergekit-yaml`.

`--parts processes` compares one thread, two, and two processes of one thread, which share files
(`--shards 500MB`); `--parts sizes` merges models of `--layers` and of `--more-layers`, and says how
time grows with bytes: a slope of 1 is in proportion; `--parts matching` matches two models by
weights and permutations on disk; `--parts measuring` measures parents, naive average, merge and
ensemble on 16 rows of 64 tokens, and 4 more for temperatures, and no point of a path.

Memory is the most that was resident, file pages included, by the kernel's count. Its limit is
600 MB and one float32 tensor of the largest size for every model, the base included, and one more;
where merges are measured, 1.4 times the bytes of one model, and 1 GB.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WIDE = {
    "vocab_size": 32000,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
}
TINY = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
UNMATCHED = ("--match", "none", "--repair", "none")
ROWS, VALIDATION_ROWS, TOKENS = 16, 4, 64
"""Rows that merges are measured on, rows that temperatures are, and what each holds of tokens."""
MEASURED = (*UNMATCHED, "--fuse", "average", "--refine", "none", "--dataset", "./texts")
MEASURED += ("--tokens", str(TOKENS), "--samples", str(ROWS), "--calibration-samples", "0")
MEASURED += ("--path", "none")
WORK = {
    "average": UNMATCHED,
    "ties": (*UNMATCHED, "--fuse", "ties", "--base", "./base"),
    "measuring": MEASURED,
    "weights": ("--match", "weights", "--symmetry", "permutations", "--repair", "none"),
}
TORCHRUN = ("-m", "torch.distributed.run", "--nproc_per_node", "2")
MODELS = ("a", "b", "base")
SAID = 4000
"""Characters that are quoted of a command that failed: the last."""
COPIES = 5
"""Times that copying is measured; the median counts."""


def write_model(folder: Path, seed: int, fields: dict[str, int], layers: int, shards: str) -> None:
    """A checkpoint in bfloat16, without ever initialising it."""
    config = LlamaConfig(**fields, num_hidden_layers=layers)
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    model = model.to(torch.bfloat16).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for tensor in model.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.02)
    model.save_pretrained(folder, max_shard_size=shards)


def write_texts(folder: Path, vocabulary: int) -> None:
    """Rows of words, and beside every model a tokenizer that knows as many words as it does."""
    words = [f"w{number}" for number in range(vocabulary)]
    backend = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, words[0]))
    backend.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=words[0])
    for name in MODELS:
        tokenizer.save_pretrained(folder / name)
    generator = torch.Generator().manual_seed(0)
    (folder / "texts").mkdir()
    for split, count in (("test", ROWS), ("validation", VALIDATION_ROWS)):
        drawn = torch.randint(vocabulary, (count, 2 * TOKENS), generator=generator).tolist()
        lines = [json.dumps({"text": " ".join(words[n] for n in row)}) + "\n" for row in drawn]
        (folder / "texts" / f"{split}.jsonl").write_text("".join(lines))


def run(command: list[str], cwd: Path) -> tuple[float, float, int]:
    """Wall and CPU seconds of a command in a process of its own, and the most bytes it held.

    Raises: SystemExit, with what it said, if it fails.
    """
    script = (
        "import resource, subprocess, sys, time; t = time.perf_counter();"
        "code = subprocess.run(sys.argv[1:], stdout=-3).returncode;"
        "r = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(time.perf_counter() - t, r.ru_utime + r.ru_stime, r.ru_maxrss);"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=cwd, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-SAID:]}")
    wall, cpu, kilobytes = done.stdout.split()
    unit = 1 if sys.platform == "darwin" else 1024
    return float(wall), float(cpu), int(kilobytes) * unit


def copy(models: list[Path], out: Path) -> float:
    """Seconds of reading every model and writing and syncing the first; the median."""
    taken = []
    for _ in range(COPIES):
        start = time.perf_counter()
        content: list[bytes] = []
        for model in reversed(models):
            content = [file.read_bytes() for file in sorted(model.glob("*.safetensors"))]
        with out.open("wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        taken.append(time.perf_counter() - start)
        out.unlink()
    return statistics.median(taken)


def by_mergekit(program: str, work: str, folder: Path) -> tuple[float, float, int]:
    """What mergekit takes for the same."""
    entries = "".join(f"  - model: {folder / each}\n" for each in ("a", "b"))
    parameters = "    parameters: {weight: 0.5, density: 0.2}\n"
    entries = "".join(f"{line}\n{parameters}" for line in entries.splitlines())
    method = {"average": "linear", "ties": "ties"}[work]
    base = f"base_model: {folder / 'base'}\n" if work == "ties" else ""
    text = f"merge_method: {method}\n{base}dtype: bfloat16\nmodels:\n{entries}"
    (folder / "mergekit.yml").write_text(text)
    out = folder / f"mergekit-{work}"
    return run([program, str(folder / "mergekit.yml"), str(out)], folder)


def merged(
    work: str, folder: Path, place: Path, start: tuple[str, ...] = (sys.executable,)
) -> tuple[float, float, int]:
    """What merging the models in `folder` takes, as `run` says; the result is removed.

    start: what runs `-m hubmerge.cli`.
    """
    out = place / f"{work}-{folder.name}"
    command = [*start, *common.HUBMERGE[1:], "merge", "./a", "./b", "-o", str(out), "-q"]
    taken = run([*command, *WORK[work]], folder)
    shutil.rmtree(out)
    return taken


def whole_commands(place: Path, largest: int, mergekit: str | None) -> None:
    """Prints one line for each work that matches nothing: time beside copying, and memory."""
    rows = []
    for work in ("average", "ties"):
        models = MODELS[: 3 if work == "ties" else 2]
        copying = copy([place / "large" / each for each in models], place / "copy")
        taken = {}
        for size in ("tiny", "tiny", "large"):
            taken[size] = merged(work, place / size, place)
        started, (wall, _, held) = taken["tiny"], taken["large"]
        limit = 600e6 + (len(models) + 1) * largest
        other = "–"
        if mergekit:
            theirs = by_mergekit(mergekit, work, place / "large")
            other = f"{wall / theirs[0]:.2f}"
        rows.append(
            (
                work,
                f"{wall:.1f}",
                f"{started[0]:.1f}",
                f"{started[1]:.1f}",
                f"{copying:.1f}",
                f"{(wall - started[0]) / copying:.1f}",
                other,
                f"{held / 1e6:,.0f}",
                f"{held / limit:.2f}",
            )
        )
    headings = ("work", "wall s", "S, wall s", "S, cpu s", "copying s", "(wall - S) / copying")
    common.show((*headings, "to mergekit", "MB", "to the limit"), rows)


def processes(place: Path) -> None:
    """Prints how long one thread, two threads and two processes of one thread take beyond S."""
    rows = []
    for work in ("average", "ties"):
        seconds = []
        for cores, launcher in ((1, ()), (2, ()), (2, TORCHRUN)):
            own = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
            pinned = ("taskset", "-c", own, sys.executable, *launcher)
            wall, started = (
                merged(work, place / size, place, pinned)[0] for size in ("large", "tiny")
            )
            seconds.append(wall - started)
        rows.append((work, *(f"{each:.1f}" for each in seconds), f"{seconds[0] / seconds[2]:.2f}"))
    common.show(("wall - S, s", "1 thread", "2 threads", "2 processes", "1 thread / those"), rows)


def sizes(place: Path, largest: int) -> None:
    """Prints how time beyond S grows with the bytes of a model, and the memory of both sizes."""
    rows = []
    for work in ("average", "ties"):
        _, started = (merged(work, place / "tiny", place)[0] for _ in range(2))
        seconds, gigabytes, held = [], [], []
        for size in ("large", "larger"):
            wall, _, memory = merged(work, place / size, place)
            files = (place / size / "a").glob("*.safetensors")
            gigabytes.append(sum(file.stat().st_size for file in files) / 1e9)
            seconds.append(max(wall - started, 0.01))
            held.append(memory)
        slope = math.log(seconds[1] / seconds[0]) / math.log(gigabytes[1] / gigabytes[0])
        limit = 600e6 + (len(MODELS[: 3 if work == "ties" else 2]) + 1) * largest
        rows.append(
            (
                work,
                " → ".join(f"{each:.2f}" for each in gigabytes),
                " → ".join(f"{each:.1f}" for each in seconds),
                f"{slope:.2f}",
                " → ".join(f"{each / 1e6:,.0f}" for each in held),
                " → ".join(f"{each / limit:.2f}" for each in held),
            )
        )
    common.show(("work", "GB of a model", "wall - S, s", "slope", "MB", "to the limit"), rows)


def matched(place: Path) -> None:
    """Prints what matching by weights and permutations on disk takes."""
    wall, cpu, held = merged("weights", place / "large", place)
    common.show(
        ("work", "wall s", "cpu s", "MB"),
        [("weights", f"{wall:.0f}", f"{cpu:.0f}", f"{held / 1e6:,.0f}")],
    )


def measured(place: Path) -> None:
    """Prints what a merge takes that is measured, beside the same one that is not."""
    rows = []
    files = (place / "large" / "a").glob("*.safetensors")
    limit = 1.4 * sum(file.stat().st_size for file in files) + 1e9
    for work in ("average", "measuring"):
        wall, cpu, held = merged(work, place / "large", place)
        share = f"{held / limit:.2f}" if work == "measuring" else "–"
        rows.append((work, f"{wall:.0f}", f"{cpu:.0f}", f"{held / 1e6:,.0f}", share))
    common.show(("work", "wall s", "cpu s", "MB", "to the limit"), rows)


def main() -> None:
    """Prints one table per part."""
    parser = common.arguments(__doc__)
    parser.add_argument("--layers", type=int, default=6, metavar="N")
    parser.add_argument("--more-layers", type=int, default=22, metavar="N", help="of part sizes")
    parser.add_argument("--shards", default="50GB", metavar="SIZE", help="most bytes of a file")
    parser.add_argument("--mergekit", metavar="PROGRAM", help="mergekit-yaml of an environment")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=("commands", "processes", "sizes", "matching", "measuring"),
        default=["commands"],
        help="what to measure",
    )
    options = parser.parse_args()
    print(common.machine())
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        fields, layers = (TINY, 2) if options.quick else (WIDE, options.layers)
        shards = "4KB" if options.quick and options.shards != "50GB" else options.shards
        for seed, name in enumerate(MODELS):
            write_model(place / "large" / name, seed, fields, layers, shards)
            write_model(place / "tiny" / name, seed, TINY, 2, "50GB" if shards == "50GB" else "4KB")
            if "sizes" in options.parts:
                more = 4 if options.quick else options.more_layers
                write_model(place / "larger" / name, seed, fields, more, shards)
        largest = 4 * fields["vocab_size"] * fields["hidden_size"]
        if "commands" in options.parts:
            whole_commands(place, largest, options.mergekit)
        if "processes" in options.parts:
            processes(place)
        if "sizes" in options.parts:
            sizes(place, largest)
        if "matching" in options.parts:
            matched(place)
        if "measuring" in options.parts:
            write_texts(place / "large", fields["vocab_size"])
            measured(place)


if __name__ == "__main__":
    main()
