"""Makes the picture of docs/derivation.md: one traced forward of a small BERT, and its spaces.

python docs/make_derivation_image.py
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from transformers import BertConfig, BertForSequenceClassification

from hubmerge.derivation.certify import run
from hubmerge.derivation.derive import derive_of
from hubmerge.derivation.terms import Term, factors
from hubmerge.derivation.trace import trace
from hubmerge.derivation.twin import Twin, make_twin
from hubmerge.reporting.plots.canvas import BLUE, FONT, GREEN, GREY, VERMILION, blank, to_png

PICTURE = Path(__file__).resolve().parent / "images" / "derivation.png"
COLOURS = (BLUE, VERMILION, GREEN, "#8a5fbf", "#a67c00", "#b3446c")
"""One for each space, in the order in which the forward meets them."""
CHIP, TALL, GAP = 0.62, 0.56, 0.08
"""Width of a chip for a name of four letters, its height, and the room between two."""


@dataclass(frozen=True)
class Row:
    """A module at work: what runs along the axes of its weight, and of what it returned.

    A name stands for a space; one that begins with "!" for what is pinned.
    """

    module: str
    weight: list[list[str]]
    returned: list[list[str]]


def config() -> BertConfig:
    """Of two layers with two heads each; the second is drawn as three dots."""
    return BertConfig(
        vocab_size=99,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=40,
        max_position_embeddings=62,
        num_labels=3,
    )


def rows_of(twin: Twin) -> list[Row]:
    """What was traced, module by module, in the words of the spec that came of it."""
    found = trace(twin.model, lambda: run(twin), twin.tensors)
    spec = derive_of(twin, BertForSequenceClassification).spec
    free, names = {*spec.free_spaces()}, {}
    for tensor, terms in found.axes.items():
        for term, axis in zip(terms, spec.tensors[tensor].axes, strict=True):
            parts, called = factors(term), [*axis.names()]
            if len(parts) == len(called):
                names |= {part.root: name for part, name in zip(parts, called, strict=True)}

    def said(terms: Iterable[Term]) -> list[list[str]]:
        return [
            [
                name.rpartition(".")[2] if (name := names.get(f.root)) in free else f"!{f.size}"
                for f in factors(term)
            ]
            for term in terms
        ]

    rows = []
    for seen in found.seen:
        weight = f"{seen.module}.weight"
        if seen.entering or weight not in found.axes:
            continue
        if ".layer.1." in weight:
            rows += [Row("...", [], [])] if rows[-1].weight else []
        else:
            rows.append(Row(_short(seen.module), said(found.axes[weight]), said(seen.dims)))
    return rows


def _short(module: str) -> str:
    return module.removeprefix("bert.").replace("encoder.layer.0.", "").replace("attention.", "")


def draw(rows: list[Row]) -> bytes:
    """A line for each module; a vertical line for each space, from its first weight to its last."""
    spaces = [n for row in rows for axis in row.weight for n in axis if not n.startswith("!")]
    spaces = list(dict.fromkeys(spaces))
    colour = dict(zip(spaces, COLOURS, strict=True))
    canvas = blank(11, 0.42 * len(rows) + 1.1)
    axes = canvas.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, 22), ylim=(-len(rows) - 0.4, 2.2))
    axes.axis("off")
    lanes = {space: 11.2 + 0.9 * n for n, space in enumerate(spaces)}
    heads = [(0.3, "module"), (5.6, "axes of its weight"), (lanes[spaces[0]] - 0.3, "spaces")]
    for x, text in [*heads, (17.2, "axes of what it returned")]:
        axes.text(x, 1.45, text, color=GREY, fontsize=10, weight="bold", **FONT)
    for space, x in lanes.items():
        at = [k for k, row in enumerate(rows) if any(space in axis for axis in row.weight)]
        axes.add_line(Line2D([x, x], [-at[0], -at[-1]], color=colour[space], linewidth=3))
        axes.text(x, 0.65, space, color=colour[space], fontsize=9, ha="center", **FONT)
    for k, row in enumerate(rows):
        axes.text(0.3, -k, row.module, color="#1f2328", fontsize=9.5, va="center", **FONT)
        _chips(axes, 5.6, -k, row.weight, colour)
        _chips(axes, 17.2, -k, row.returned, colour)
        for axis in row.weight:
            for space in (name for name in axis if name in lanes):
                reads = not any(space in returned for returned in row.returned)
                axes.plot(
                    lanes[space],
                    -k,
                    marker="o",
                    markersize=9,
                    color=colour[space],
                    markerfacecolor="white" if reads else colour[space],
                    markeredgewidth=2,
                    zorder=3,
                )
    return to_png(canvas)


def _chips(axes: Axes, x: float, y: float, dims: list[list[str]], colour: dict[str, str]) -> None:
    """Axes side by side; factors of one axis touch."""
    for axis in dims:
        for name in axis:
            pinned = name.startswith("!")
            text, wide = name.removeprefix("!"), CHIP * (0.75 if pinned else len(name) / 4 + 0.45)
            box = FancyBboxPatch(
                (x, y - TALL / 2),
                wide,
                TALL,
                boxstyle="round,pad=0,rounding_size=0.12",
                facecolor="#eceef1" if pinned else colour[name],
                edgecolor="none",
            )
            axes.add_patch(box)
            axes.text(
                x + wide / 2,
                y,
                text,
                color=GREY if pinned else "white",
                fontsize=8,
                ha="center",
                va="center",
                **FONT,
            )
            x += wide + 0.02
        x += GAP + 0.1


def main() -> None:
    """Traces, derives, draws."""
    twin = make_twin(config(), BertForSequenceClassification)
    PICTURE.write_bytes(draw(rows_of(twin)))
    print(f"written: {PICTURE}")


if __name__ == "__main__":
    main()
