"""Makes the pictures of docs/matching.md from two small ViTs, trained here from different seeds.

python docs/make_matching_images.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from hubmerge.data.synthetic.dead_leaves import dead_leaves
from hubmerge.demo.digits import digits
from hubmerge.demo.train import PARENT_CONFIGS, ParentConfig, pixels, train
from hubmerge.matching import Match, find_matcher, measure_moments
from hubmerge.matching.similarity.activations import similarities_of
from hubmerge.matching.similarity.moments import Moments, watching
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import State
from hubmerge.utils.workers import Workers

IMAGES = Path(__file__).resolve().parent / "images"
BLUE, VERMILION, INK, GREY = "#0072B2", "#D55E00", "#1f2328", "#6b7280"
SHOWN_UNITS = 48
"""Units of the pictured layer: more would be too small to see."""
SHOWN_TOKENS = 300
"""Tokens in each cloud."""
LEAVES = (2, 6)
"""Rows and columns of the sheet of dead leaves."""


@dataclass(frozen=True)
class Batch:
    """Images as the matchers take them."""

    inputs: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.inputs["pixel_values"])


@dataclass(frozen=True)
class Strangers:
    """Two models trained from different seeds, and how they were aligned."""

    spec: Spec
    states: tuple[State, State]
    moments: Moments
    match: Match
    tokens: tuple[Tensor, Tensor]


def strangers(course: ParentConfig) -> Strangers:
    """Trains them, looks at both and matches them by activations."""
    rows = digits(test=500, validation=0)["train"]
    a, b = (train(course, seed, rows, what=f"training {seed}") for seed in (0, 1))
    images, _ = pixels(course, rows)
    batches = [Batch({"pixel_values": images[k : k + 100]}) for k in range(0, 500, 100)]
    spec = spec_of(a)
    moments = measure_moments(spec, a, b, batches, Workers(threads=1))
    states = (a.state_dict(), b.state_dict())
    match = find_matcher("activations").function(spec, *states, moments=moments)
    last = [w for w in spec.watches if "resid" in w.layout.names()][-1]
    tokens = []
    for model in (a, b):
        with watching(model, (last,)) as seen, torch.inference_mode():
            model(**batches[0].inputs)
            value = seen.take()[0].flatten(0, 1)
        value = value - value.mean(1, keepdim=True)
        tokens.append(value / value.norm(dim=1, keepdim=True))
    return Strangers(spec, states, moments, match, (tokens[0], tokens[1]))


def units(found: Strangers) -> Figure:
    """Correlations of one layer's units, in the order they came and as matched."""
    space = next(name for name in found.spec.free_spaces() if name.endswith("ff"))
    alike = similarities_of(found.spec, found.moments, *found.states)[space]
    order = found.match.permutation[space]
    sharpest = alike[torch.arange(len(order)), order].argsort(descending=True)[:SHOWN_UNITS]
    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    titles = ("as given", "B's units in the order found")
    columns = (sharpest, order[sharpest])
    for axes, title, chosen in zip(figure.subplots(1, 2), titles, columns, strict=True):
        picture = axes.imshow(
            alike[sharpest][:, chosen].numpy(), cmap="RdBu_r", vmin=-1, vmax=1, aspect="equal"
        )
        _labelled(axes, title, "units of B", "units of A")
    figure.colorbar(picture, ax=figure.axes, shrink=0.8, label="correlation on the same images")
    return figure


def rotation(found: Strangers) -> Figure:
    """Both models' residual streams in A's two main directions, before and after B is turned."""
    ours, theirs = (tokens.double() for tokens in found.tokens)
    _, _, directions = torch.linalg.svd(ours - ours.mean(0), full_matrices=False)
    turned = theirs @ found.match.maps["resid"].mT
    chosen = np.random.default_rng(0).permutation(len(ours))[:SHOWN_TOKENS]
    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    panels = zip(
        figure.subplots(1, 2, sharex=True, sharey=True),
        ("as given", "B's stream rotated"),
        (theirs, turned),
        strict=True,
    )
    for axes, title, other in panels:
        for tokens, colour, mark, name in (
            (ours, BLUE, "o", "A"),
            (other, VERMILION, "x", "B"),
        ):
            x, y = (tokens[chosen] @ directions[:2].mT).T.numpy()
            axes.scatter(x, y, s=14, c=colour, marker=mark, linewidths=0.8, alpha=0.7, label=name)
        _labelled(axes, title, "A's first direction", "A's second direction")
    figure.axes[0].legend(framealpha=0.9, loc="upper right", title="the same tokens in")
    return figure


def leaves() -> Figure:
    """A sheet of synthetic images."""
    rows, columns = LEAVES
    figure = Figure(figsize=(8.4, 2.9), layout="constrained")
    for number, axes in enumerate(figure.subplots(rows, columns).flat):
        axes.imshow(dead_leaves(number, 64, 64))
        axes.set_axis_off()
    return figure


def _labelled(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_title(title, fontsize=11, color=INK)
    axes.set_xlabel(across, color=GREY)
    axes.set_ylabel(up, color=GREY)
    axes.set_xticks([])
    axes.set_yticks([])


def write(figure: Figure, name: str) -> None:
    """Without a date or a version in it."""
    FigureCanvasAgg(figure).print_png(IMAGES / name, metadata={"Software": None})
    print(f"written    docs/images/{name}")


def main() -> None:
    """All pictures of the page."""
    found = strangers(next(course for course in PARENT_CONFIGS if course.name == "vit"))
    write(units(found), "matching-units.png")
    write(rotation(found), "matching-rotation.png")
    write(leaves(), "matching-leaves.png")


if __name__ == "__main__":
    main()
