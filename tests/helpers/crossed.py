"""Tests of every model with every method: a diagonal of them for `make test`, the rest is slow.

A test marked `crossed` has a parameter `name`, the model, and others. On the diagonal every value
of every parameter stands at least once, beside another partner from model to model; the slow tests
are the rest of the product. So a method or a family costs a few tests, not a table of them.
"""

from __future__ import annotations

from collections import defaultdict
from math import prod

import pytest

MODEL = "name"


def mark_off_the_diagonal(items: list[pytest.Item]) -> None:
    """Marks as slow what is crossed and does not stand on the diagonal."""
    tables: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("crossed"):
            tables[item.nodeid.partition("[")[0]].append(item)
    for table in tables.values():
        cells = [item.callspec.params for item in table]  # type: ignore[attr-defined]
        for item, stands in zip(table, diagonal(cells), strict=True):
            if not stands:
                item.add_marker(pytest.mark.slow)


def diagonal(cells: list[dict[str, object]]) -> list[bool]:
    """Which cells of a table stand on its diagonal, each given by its value along every axis."""
    axes = {axis: list(dict.fromkeys(cell[axis] for cell in cells)) for axis in cells[0]}
    others = [axis for axis in axes if axis != MODEL]
    stride = min(len(axes[MODEL]), prod(len(axes[axis]) for axis in others))

    def stands(cell: dict[str, object]) -> bool:
        other = 0
        for axis in others:
            other = other * len(axes[axis]) + axes[axis].index(cell[axis])
        return (axes[MODEL].index(cell[MODEL]) + other) % stride == 0

    return [stands(cell) for cell in cells]
