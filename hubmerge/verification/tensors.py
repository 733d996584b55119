"""Comparing weights tensor by tensor, where the files are not the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hubmerge.verification.result import Check, Outcome
from hubmerge.verification.rounding import CLOSED, Allowance, Lean, difference


def compare_tensors(
    part: str,
    published: Sequence[Path],
    remade: Sequence[Path],
    *,
    allowance: Allowance = CLOSED,
    signs: bool = True,
    unknown: Callable[[str], bool] = lambda name: False,
) -> list[Check]:
    """One check for all tensors that are alike, one for each that is not, one if they lean.

    Deviations are in last places: units in the last place of float32 of a tensor's largest element.

    Parameters:
        allowance: how far rounding may move them.
        signs: whether differences may not lean to a side.
        unknown: which tensors, by name, were not made again.
    """
    what = ", ".join(path.name for path in published) or ", ".join(path.name for path in remade)
    lean = Lean()
    with ExitStack() as stack:
        try:
            said, found = (_by_name(stack, paths) for paths in (published, remade))
        except SafetensorError as error:
            return [_wrong(part, what, f"no safetensors file: {error}")]
        twice = [name for name, files in said.items() if len(files) > 1]
        compared = sorted(name for name in {*said, *found} - {*twice} if not unknown(name))
        checks = [_wrong(part, name, "it lies in two files") for name in sorted(twice)]
        checks += [
            _compare(part, name, said[name][0], found[name][0], allowance, lean)
            if name in said and name in found
            else _wrong(part, name, "missing" if name in found else "not among those made again")
            for name in compared
        ]
    return [
        *_alike(part, what, checks),
        *(check for check in checks if check.outcome is Outcome.DOES_NOT_HOLD),
        *(_wrong(part, f"{what}: all differences together", why) for why in lean.reasons if signs),
        *_left(part, what, [*said], unknown),
    ]


def _by_name(stack: ExitStack, paths: Sequence[Path]) -> dict[str, list[Any]]:
    """Tensor's name -> the open files it lies in."""
    found: dict[str, list[Any]] = {}
    for path in paths:
        file = stack.enter_context(safe_open(path, "pt"))
        for name in file.keys():  # noqa: SIM118
            found.setdefault(name, []).append(file)
    return found


def _compare(
    part: str, name: str, published: Any, remade: Any, allowance: Allowance, lean: Lean
) -> Check:
    kinds = [_kind(file.get_slice(name)) for file in (published, remade)]
    if kinds[0] != kinds[1]:
        return Check(
            part=part, what=name, outcome=Outcome.DOES_NOT_HOLD, said=kinds[0], found=kinds[1]
        )
    said: Tensor = published.get_tensor(name)
    found: Tensor = remade.get_tensor(name)
    if torch.equal(said, found):
        return Check(part=part, what=name, outcome=Outcome.IDENTICAL)
    if not said.is_floating_point():
        return _wrong(part, name, f"{int((said != found).sum()):,} of {said.numel():,} differ")
    off = difference(said, found, allowance)
    if off.is_small:
        lean.add(said, found)
    why = None
    if off.over:
        why = f"{off.over:,} of {said.numel():,} elements are off"
    elif not off.is_small:
        why = f"off by {off.mean:.3g} last places on average, {off.mean_allowed:.3g} allowed"
    return Check(
        part=part,
        what=name,
        outcome=Outcome.EQUIVALENT if why is None else Outcome.DOES_NOT_HOLD,
        deviation=off.most if off.most == off.most else None,
        tolerance=off.allowed if off.allowed == off.allowed else None,
        why=why,
    )


def _kind(tensor: Any) -> str:
    return f"{tensor.get_dtype()} {tensor.get_shape()}"


def _alike(part: str, what: str, checks: list[Check]) -> Iterator[Check]:
    alike = [check for check in checks if check.outcome is not Outcome.DOES_NOT_HOLD]
    if not alike:
        return
    moved = [check for check in alike if check.deviation is not None]
    farthest = max(moved, key=share, default=None)
    yield Check(
        part=part,
        what=f"{what}: {len(alike):,} of {len(checks):,} tensors",
        outcome=Outcome.EQUIVALENT if moved else Outcome.IDENTICAL,
        deviation=farthest.deviation if farthest else None,
        tolerance=farthest.tolerance if farthest else None,
    )


def share(check: Check) -> float:
    """How much of what is allowed a check is off by."""
    return (check.deviation or 0.0) / (check.tolerance or 1.0)


def _left(
    part: str, what: str, names: list[str], unknown: Callable[[str], bool]
) -> Iterator[Check]:
    count = sum(map(unknown, names))
    if count:
        yield Check(
            part=part,
            what=f"{what}: {count:,} statistics of batch norms",
            outcome=Outcome.NOT_CHECKED,
            why="they were measured on the data set",
        )


def _wrong(part: str, what: str, why: str) -> Check:
    return Check(part=part, what=what, outcome=Outcome.DOES_NOT_HOLD, why=why)
