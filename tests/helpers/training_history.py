"""Small models with a history: a base, fine-tunes of it, a stranger, and a run's checkpoints."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F
from transformers import PreTrainedModel

from hubmerge.demo.train import pixels
from tests.helpers import zoo

FAMILY = "mlp"
EPOCHS = 4


@dataclass(frozen=True)
class History:
    """Folders. fine: two models trained on from the base, each on rows of its own. run: the
    checkpoints of one training, first to last.
    """

    data: Path
    base: Path
    fine: tuple[Path, Path]
    stranger: Path
    run: tuple[Path, ...]


def history(place: Path) -> History:
    """Trains and writes all of them; a few seconds."""
    splits, course = zoo.rows(), zoo.course(FAMILY)
    images, labels = pixels(course, splits["train"])
    half = len(images) // 2

    def write(name: str, model: PreTrainedModel) -> Path:
        return zoo.write_model(place / name, model, FAMILY)

    base = trained(fresh(1), images[:half], labels[:half], seed=1)
    fine = [
        trained(base, images[start::2], labels[start::2], seed=2 + start, rate=1e-3)
        for start in (0, 1)
    ]
    run = [fresh(7)]
    for step in range(4):
        run.append(trained(run[-1], images, labels, seed=step, epochs=2))
    return History(
        zoo.write_data(place / "data", splits),
        write("base", base),
        (write("fine-a", fine[0]), write("fine-b", fine[1])),
        write("stranger", trained(fresh(9), images, labels, seed=9, epochs=8)),
        tuple(write(f"step-{n}", model) for n, model in enumerate(run[1:])),
    )


def fresh(seed: int) -> PreTrainedModel:
    torch.manual_seed(seed)
    return zoo.BUILDERS[FAMILY](zoo.labelled())


def trained(model, images, labels, *, seed, epochs=EPOCHS, rate=2e-3):
    """A copy of `model` after so many passes."""
    model = copy.deepcopy(model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    shuffle = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(len(images), generator=shuffle).split(64):
            loss = F.cross_entropy(model(pixel_values=images[rows]).logits, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()
