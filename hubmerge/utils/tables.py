"""Aligned columns of plain text, for terminals and files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

WIDTH = 100_000
"""Width of the console in columns, so that no cell is wrapped or cut."""


def columns(rows: Iterable[Sequence[str]], *, right: Sequence[int] = (), indent: int = 0) -> str:
    """`rows` with their cells aligned, columns two spaces apart, the same wherever it is printed.

    Cells are text, not markup; a cell may have several lines.

    Parameters:
        rows: rows of equally many cells, a heading included.
        right: indices of the columns that are aligned to the right.
        indent: number of spaces before each line.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    lines = list(rows)
    for number in range(len(lines[0]) if lines else 0):
        justify = "right" if number in right else "left"
        table.add_column(justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    target = io.StringIO()
    Console(file=target, width=WIDTH, color_system=None, force_terminal=False).print(table)
    shown = (line.rstrip() for line in target.getvalue().rstrip("\n").split("\n"))
    return "\n".join((" " * indent + line).rstrip() for line in shown) if lines else ""


def right_of_first(rows: Sequence[Sequence[str]]) -> str:
    """A column of labels and, aligned to the right, columns of figures."""
    return columns(rows, right=range(1, len(rows[0]) if rows else 0))
