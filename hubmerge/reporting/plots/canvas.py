"""What all pictures are drawn on, and in which colours.

Matplotlib's object interface on the Agg canvas: no global state, so it may run in any thread, and
the same figures give the same bytes with the same version of matplotlib.
Colours are close to those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which stay apart for
the colour-blind.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 200

INK, PAPER = "#1f2328", "#ffffff"
GREY, FAINT = "#747a85", "#8d949e59"
BLUE, VERMILION, GREEN = "#0b7fc0", "#c85a10", "#008a64"
"""Of lines and words: their contrast is at least 4 : 1 on white and on the Hub's dark page."""
TRANSPARENT = "none"
FONT: dict[str, Any] = {"fontfamily": "DejaVu Sans", "parse_math": False}
"""Ships with matplotlib, so it is there; other people's dollar signs are no formulas."""


def blank(width: float, height: float, paper: str = PAPER) -> Figure:
    """A canvas of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(width, height), dpi=DPI, facecolor=paper)
    FigureCanvasAgg(canvas)
    return canvas


def to_png(canvas: Figure) -> bytes:
    """The PNG file; its text field "Software" names the version of matplotlib."""
    target = io.BytesIO()
    paper = canvas.get_facecolor()
    canvas.savefig(target, format="png", dpi=DPI, facecolor=paper)
    return target.getvalue()
