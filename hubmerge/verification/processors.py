"""Where figures, and refined merges, come out the same bit for bit."""

from __future__ import annotations

from importlib import metadata

import torch

from hubmerge.reporting.schema.report import Report
from hubmerge.utils.processor import processor_kind

COMPUTING = ("torch", "numpy", "scipy")
"""Libraries that compute figures."""


def rounds_alike(report: Report, device: torch.device) -> bool:
    """Whether what made a report rounds as this machine does: the same libraries on one kind of
    processor, and no accelerator, whose sums need not come out alike even twice.
    """
    return not unlike(report, device)


def unlike(report: Report, device: torch.device) -> list[str]:
    """By what a report says that its machine may round otherwise; empty if by nothing.

    Who publishes writes these lines, and gets the tolerance of another machine by them: they are
    shown wherever it was used.
    """
    run, here = report.run, processor_kind(device)
    found = [
        f"{name} {run.versions.get(name, 'unknown')} (here {metadata.version(name)})"
        for name in COMPUTING
        if run.versions.get(name) != metadata.version(name)
    ]
    if run.processor != here:
        found.append(f"processor {run.processor or 'unknown'} (here {here})")
    elif device.type != "cpu":
        found.append(f"an accelerator, {here}, whose sums vary")
    return found


def another_processor(report: Report, device: torch.device) -> str | None:
    """Why a merge that was refined cannot be made again here; None where it can.

    Hundreds of steps carry what another processor, or another version of torch, rounds differently
    as far as learning itself goes: what comes out is as good, and is not the same.
    """
    if report.method.refine is None:
        return None
    then, now = report.run.processor, processor_kind(device)
    if then != now:
        where = f"refined on {then}" if then else "the report does not say where it was refined"
        return f"not made again: another processor ({where}; here {now})"
    made, here = report.run.versions.get("torch"), torch.__version__
    if made != here:
        return f"not made again: another version of torch (refined with {made}; here {here})"
    return None
