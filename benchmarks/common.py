"""What the benchmarks share: the models they are about, one table, one line about the machine."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import scipy
import torch
import transformers
from transformers import (
    PreTrainedConfig,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from hubmerge.demo.digits import digits, write_digits
from hubmerge.demo.train import PARENT_CONFIGS, ParentConfig, write_parent
from hubmerge.models.probe import shaken
from hubmerge.utils.parent_names import parent_letters
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.tables import right_of_first

HUBMERGE = (sys.executable, "-m", "hubmerge.cli")
"""The command line, as a user runs it."""

SMALL = ("--samples", "50", "--calibration-samples", "50")
"""What a merge measures if it is only to run."""

HF = (sys.executable, "-m", "huggingface_hub.cli.hf")
NAMESPACE = "zoo"
"""Whose repositories stand on the embedded Hub."""

SHAPES: dict[str, tuple[type[PreTrainedModel], type[PreTrainedConfig], dict[str, Any]]] = {
    "resnet50": (
        ResNetForImageClassification,
        ResNetConfig,
        {"embedding_size": 16, "hidden_sizes": [32, 64], "depths": [2, 1]},
    ),
    "vit-b16": (
        ViTForImageClassification,
        ViTConfig,
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 64,
            "image_size": 16,
            "patch_size": 4,
        },
    ),
}
"""Name -> model, configuration, and what makes it tiny."""


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the script's own docstring, with `--quick`."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="tiny models: does the script run?")
    return parser


def build(name: str, seed: int, quick: bool) -> PreTrainedModel:
    """A randomly initialised image classifier of a well-known shape; tiny if `quick`.

    resnet50: 25.6M parameters (arXiv:1512.03385, table 1); vit-b16: 86.6M (arXiv:2010.11929,
    table 1). They are the defaults of transformers' ResNetConfig and ViTConfig, with 1,000 classes.
    No tensor is constant: fresh biases of 0 and gains of 1 would be free to match.
    """
    names = [f"class {number}" for number in range(10 if quick else 1000)]
    labels: dict[str, Any] = {"id2label": dict(enumerate(names))}
    labels["label2id"] = {n: k for k, n in enumerate(names)}
    kind, config_kind, small = SHAPES[name]
    torch.manual_seed(seed)
    return shaken(kind(config_kind(**labels, **(small if quick else {}))), seed).eval()


def write_pair(folder: Path, name: str, quick: bool) -> tuple[Path, Path]:
    """Two independent models of one shape as checkpoints a, b in `folder`."""
    transformers.utils.logging.disable_progress_bar()
    written = []
    for seed, letter in enumerate("ab"):
        written.append(folder / letter)
        build(name, seed, quick).save_pretrained(written[-1])
    return written[0], written[1]


def trained(
    folder: Path, family: str, seeds: Sequence[int], quick: bool
) -> tuple[list[Path], Path]:
    """Folders of parents trained on the digits as `hubmerge demo` trains its two, and of those."""
    (course,) = (each for each in PARENT_CONFIGS if each.name == family)
    if quick:
        course = replace(course, epochs=1)
    splits = digits()
    data = folder / "digits"
    if not data.exists():
        write_digits(data)
    parents = []
    for letter, seed in zip(parent_letters(len(seeds)).lower(), seeds, strict=True):
        where = folder / f"{family}-{letter}"
        parents.append(
            write_parent(where, course, seed, splits, repo=where.name, dataset=data.name)
        )
    return parents, data


def every_family(
    doc: str | None,
    headings: Sequence[str],
    measured: Callable[[Path, ParentConfig, list[str]], Iterable[Sequence[str]]],
) -> None:
    """A whole script: one table for each family of the demo, on all test images.

    measured: what is found in a folder of its own, by a family's course and more options of
    `hubmerge merge`.
    """
    parser = arguments(doc)
    parser.add_argument(
        "--family", choices=[course.name for course in PARENT_CONFIGS], help="only this"
    )
    options, more = parser.parse_known_args()
    more = [*(SMALL if options.quick else ("--samples", "all")), *more]
    be_quiet()
    print(machine())
    for course in PARENT_CONFIGS:
        if options.family not in (None, course.name):
            continue
        small = replace(course, epochs=1) if options.quick else course
        with tempfile.TemporaryDirectory() as temporary:
            show(headings, measured(Path(temporary), small, more))


def push(environment: Mapping[str, str], folder: Path, kind: str) -> str:
    """The id under which `folder` now stands on the Hub of `environment`."""
    repo = f"{NAMESPACE}/{folder.resolve().name}"
    words = ["upload", repo, str(folder), ".", "--repo-type", kind, "--quiet"]
    subprocess.run([*HF, *words], check=True, env=environment, stdout=subprocess.DEVNULL)
    return repo


def show(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table with its first column to the left and the others to the right."""
    print(right_of_first([headings, *rows]), flush=True)


def held(field: str) -> int:
    """Bytes this process holds now ("VmRSS"), or held at most ("VmHWM"). Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def forget_peak() -> None:
    """From here on "VmHWM" begins anew. Linux only."""
    Path("/proc/self/clear_refs").write_text("5")


def machine() -> str:
    """Processor, cores, how busy they are, and the versions that decide the speed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{_processor()}, {cores} cores{load}; Python {platform.python_version()}, "
        f"torch {torch.__version__}, numpy {numpy.__version__}, scipy {scipy.__version__}"
    )


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
