"""What all pictures are drawn on, and in which colours.

Matplotlib's object interface on the Agg canvas: no global state, so it may run in any thread, and
the same figures give the same bytes with the same version of matplotlib.
Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which stay apart for the
colour-blind.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 200

INK, GREY, FAINT, PAPER = "#1f2328", "#6b7280", "#d8dce2", "#ffffff"
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
FONT: dict[str, Any] = {"fontfamily": "DejaVu Sans", "parse_math": False}
"""Ships with matplotlib, so it is there; other people's dollar signs are no formulas."""


def blank(width: float, height: float) -> Figure:
    """A white canvas of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(canvas)
    return canvas


def to_png(canvas: Figure) -> bytes:
    """The PNG file."""
    target = io.BytesIO()
    canvas.savefig(target, format="png", dpi=DPI, facecolor=PAPER, metadata={"Software": None})
    return target.getvalue()
