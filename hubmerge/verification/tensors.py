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

RELATIVE = 1e-3
"""How far an element may be off on another machine, in units of its tensor's largest element."""


def compare_tensors(
    part: str,
    published: Sequence[Path],
    remade: Sequence[Path],
    *,
    unknown: Callable[[str], bool] = lambda name: False,
) -> list[Check]:
    """One check for all tensors that are alike, and one for each that is not.

    unknown: names of tensors that were not made again.
    """
    what = ", ".join(path.name for path in published) or ", ".join(path.name for path in remade)
    with ExitStack() as stack:
        try:
            said, found = (_by_name(stack, paths) for paths in (published, remade))
        except SafetensorError as error:
            return [_wrong(part, what, f"no safetensors file: {error}")]
        compared = sorted(name for name in {*said, *found} if not unknown(name))
        checks = [
            _compare(part, name, said[name].get_tensor(name), found[name].get_tensor(name))
            if name in said and name in found
            else _wrong(part, name, "missing" if name in found else "not among those made again")
            for name in compared
        ]
    return [*_alike(part, what, checks), *_unlike(checks), *_left(part, what, [*said], unknown)]


def _by_name(stack: ExitStack, paths: Sequence[Path]) -> dict[str, Any]:
    """Tensor's name -> the open file it lies in."""
    files = [stack.enter_context(safe_open(path, "pt")) for path in paths]
    return {name: file for file in files for name in file.keys()}  # noqa: SIM118


def _compare(part: str, name: str, said: Tensor, found: Tensor) -> Check:
    kinds = [
        f"{str(each.dtype).removeprefix('torch.')} {list(each.shape)}" for each in (said, found)
    ]
    if kinds[0] != kinds[1]:
        return Check(
            part=part, what=name, outcome=Outcome.DOES_NOT_HOLD, said=kinds[0], found=kinds[1]
        )
    if torch.equal(said, found):
        return Check(part=part, what=name, outcome=Outcome.IDENTICAL)
    if not said.is_floating_point():
        return _wrong(part, name, f"{int((said != found).sum()):,} of {said.numel():,} differ")
    largest = float(found.abs().max()) or 1.0
    away = (said.double() - found.double()).abs() / largest
    step = torch.finfo(said.dtype).eps * found.double().abs() / largest
    off = ~(away <= RELATIVE + step)
    wrong = int(off.sum())
    deviation = float(away.max())
    return Check(
        part=part,
        what=name,
        outcome=Outcome.DOES_NOT_HOLD if wrong else Outcome.EQUIVALENT,
        deviation=deviation if deviation == deviation else None,
        tolerance=RELATIVE,
        why=f"{wrong:,} of {said.numel():,} elements are off" if wrong else None,
    )


def _alike(part: str, what: str, checks: list[Check]) -> Iterator[Check]:
    alike = [check for check in checks if check.outcome is not Outcome.DOES_NOT_HOLD]
    if not alike:
        return
    moved = [check.deviation for check in alike if check.deviation is not None]
    yield Check(
        part=part,
        what=f"{what}: {len(alike):,} of {len(checks):,} tensors",
        outcome=Outcome.EQUIVALENT if moved else Outcome.IDENTICAL,
        deviation=max(moved, default=None),
        tolerance=RELATIVE if moved else None,
    )


def _unlike(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.outcome is Outcome.DOES_NOT_HOLD]


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
