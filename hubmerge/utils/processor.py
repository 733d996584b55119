"""The processors there are: how many, and of which kind, within which operations round alike."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

import torch

CPU = torch.device("cpu")

CPUINFO = Path("/proc/cpuinfo")
FIELDS = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU architecture", "CPU part")
"""What of the first processor there says its microarchitecture, on x86 and on ARM."""


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_kind(device: torch.device) -> str:
    """Architecture, instruction set that torch uses, and microarchitecture; of a GPU its name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return f"{device.type} {_processor()}"
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}, {_processor()}"


@cache
def _processor() -> str:
    try:
        first = CPUINFO.read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return platform.processor() or "unknown"
    lines = (line.partition(":") for line in first.splitlines())
    said = {name.strip(): value.strip() for name, _, value in lines}
    return " ".join(said[name] for name in FIELDS if name in said) or "unknown"
