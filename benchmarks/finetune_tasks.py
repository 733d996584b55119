"""Eight tasks on the same pictures of ten classes, a small base ViT, and its fine-tunes.

Pictures are seen turned, upside down, as negatives, shuffled, in noise or two at once; tinted, or
turned by an angle that is to be told. Every task has a head of ten outputs, of which it may use
fewer. Rows of four kinds, no picture in two of them: what is trained on, unlabelled calibration
rows, validation rows on which scales are chosen, and rows that are reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from datasets import load_dataset
from sklearn.datasets import load_digits
from torch import Tensor
from trained import kept
from transformers import ViTConfig, ViTForImageClassification

SHARES = {"train": 0.6, "calibration": 0.05, "validation": 0.1, "test": 0.25}
CLASSES = 10
HEAD = "classifier"
"""What each task keeps for itself."""

Rows = tuple[Tensor, Tensor]
"""Pictures float32 [rows, 3, side, side] and labels int64 [rows]."""


@dataclass(frozen=True)
class Course:
    """How base and fine-tunes are trained."""

    width: int = 96
    layers: int = 3
    heads: int = 4
    rows: int = 64
    base_steps: int = 900
    task_steps: int = 150
    base_rate: float = 1e-3
    task_rate: float = 2e-4


QUICK = Course(width=8, layers=2, heads=2, rows=8, base_steps=2, task_steps=2)


def turned(pictures: Tensor, labels: Tensor, draws: torch.Generator) -> Rows:
    """A quarter turn; the class."""
    return pictures.rot90(1, (2, 3)), labels


def flipped(pictures: Tensor, labels: Tensor, draws: torch.Generator) -> Rows:
    """Upside down; the class."""
    return pictures.flip(2), labels


def negative(pictures: Tensor, labels: Tensor, draws: torch.Generator) -> Rows:
    """Dark for light; the class."""
    return 1 - pictures, labels


def shuffled(pictures: Tensor, labels: Tensor, draws: torch.Generator) -> Rows:
    """Quadrants in another order; the class."""
    top, bottom = pictures.chunk(2, 2)
    (a, b), (c, d) = top.chunk(2, 3), bottom.chunk(2, 3)
    return torch.cat([torch.cat([d, a], 3), torch.cat([b, c], 3)], 2), labels


def noisy(pictures: Tensor, labels: Tensor, draws: torch.Generator) -> Rows:
    """In noise; whether the class is an odd one."""
    return pictures + 0.3 * torch.randn(pictures.shape, generator=draws), labels % 2


def blended(pictures: Tensor, labels: Tensor, draws: torch.Generator) -> Rows:
    """Over a fainter other picture; the class of the clearer one."""
    others = torch.randperm(len(pictures), generator=draws)
    return 0.65 * pictures + 0.35 * pictures[others], labels


def tinted(pictures: Tensor, labels: Tensor, draws: torch.Generator) -> Rows:
    """One colour stronger, another weaker; which two."""
    pairs = torch.tensor([(i, j) for i in range(3) for j in range(3) if i != j])
    drawn = torch.randint(len(pairs), (len(pictures),), generator=draws)
    strength = torch.ones(len(pictures), 3)
    strength.scatter_(1, pairs[drawn, :1], 1.2).scatter_(1, pairs[drawn, 1:], 0.8)
    tint = pictures * strength[:, :, None, None]
    return tint + 0.1 * torch.randn(pictures.shape, generator=draws), drawn


def angle(pictures: Tensor, labels: Tensor, draws: torch.Generator) -> Rows:
    """Turned at random; by which of four angles."""
    drawn = torch.randint(4, (len(pictures),), generator=draws)
    turns = [pictures.rot90(k, (2, 3)) for k in range(4)]
    return torch.stack(turns)[drawn, torch.arange(len(pictures))], drawn


TASKS: dict[str, Callable[[Tensor, Tensor, torch.Generator], Rows]] = {
    each.__name__: each
    for each in (turned, flipped, negative, shuffled, noisy, blended, tinted, angle)
}


def varied(rows: Rows, draws: torch.Generator) -> Rows:
    """A batch as one of the tasks about classes has it, or as it is; the classes."""
    shades, labels = rows
    ways = (turned, flipped, negative, shuffled, blended)
    drawn = int(torch.randint(len(ways) + 1, (), generator=draws))
    return rows if drawn == len(ways) else (ways[drawn](shades, labels, draws)[0], labels)


def pictures(folder: Path | None, most: int) -> dict[str, Rows]:
    """scikit-learn's digits, or an image data set in a folder, in `SHARES`.

    most: pictures that are used at most. Values are from 0 to 1.
    """
    if folder is None:
        source = load_digits()
        shades = torch.from_numpy(source.images).float()[:, None].repeat(1, 3, 1, 1) / 16
        labels = torch.from_numpy(source.target)
    else:
        rows = load_dataset(str(folder), split="train").shuffle(seed=0).select(range(most))
        image, label = rows.column_names[0], rows.column_names[-1]
        each = [np.asarray(picture.convert("RGB")) for picture in rows[image]]
        shades = torch.from_numpy(np.stack(each)).permute(0, 3, 1, 2).float() / 255
        labels = torch.tensor(rows[label])
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[:most]
    counts = [int(share * len(order)) for share in SHARES.values()]
    counts[-1] += len(order) - sum(counts)
    parts = order.split(counts)
    return {name: (shades[p], labels[p]) for name, p in zip(SHARES, parts, strict=True)}


def task_rows(source: dict[str, Rows], task: str) -> dict[str, Rows]:
    """The rows of a task, always the same."""
    found = {}
    for number, (name, (shades, labels)) in enumerate(source.items()):
        generator = torch.Generator().manual_seed(100 * list(TASKS).index(task) + number)
        seen, wanted = TASKS[task](shades, labels, generator)
        found[name] = (seen, wanted)
    return found


def base_model(store: Path, source: dict[str, Rows], course: Course, what: str) -> Path:
    """Folder of the base: a ViT that tells the classes of pictures, varied in several ways."""

    def make(folder: Path) -> None:
        side = source["train"][0].shape[-1]
        config = ViTConfig(
            hidden_size=course.width,
            num_hidden_layers=course.layers,
            num_attention_heads=course.heads,
            intermediate_size=4 * course.width,
            image_size=side,
            patch_size=side // 4,
            num_labels=CLASSES,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        torch.manual_seed(0)
        model = ViTForImageClassification(config)
        train(model, source["train"], course.base_steps, course.base_rate, course, 0, varied)
        model.save_pretrained(folder)

    return kept(
        store, "base", {"data": what, "rows": len(source["train"][1]), **asdict(course)}, make
    )


def fine_tune(store: Path, base: Path, task: str, rows: Rows, course: Course, what: str) -> Path:
    """Folder of the base fine-tuned on a task."""

    def make(folder: Path) -> None:
        model = ViTForImageClassification.from_pretrained(base)
        torch.manual_seed(1)
        torch.nn.init.trunc_normal_(model.classifier.weight, std=0.02)
        torch.nn.init.zeros_(model.classifier.bias)
        seed = 1 + list(TASKS).index(task)
        train(model, rows, course.task_steps, course.task_rate, course, seed)
        model.save_pretrained(folder)

    decides = {"data": what, "task": task, "base": base.name, "rows": len(rows[1])}
    decides |= {"steps": course.task_steps, "rate": course.task_rate}
    return kept(store, task, decides, make)


def train(
    model: ViTForImageClassification,
    rows: Rows,
    steps: int,
    rate: float,
    course: Course,
    seed: int,
    vary: Callable[[Rows, torch.Generator], Rows] | None = None,
) -> None:
    """AdamW on random batches, its rate rising and falling in one cycle.

    vary: what is done to a batch.
    """
    shades, labels = rows
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=steps, pct_start=0.1
    )
    model.train()
    for _ in range(steps):
        chosen = torch.randint(len(labels), (course.rows,), generator=generator)
        batch = (shades[chosen], labels[chosen])
        seen, wanted = batch if vary is None else vary(batch, generator)
        loss = model(pixel_values=2 * seen - 1, labels=wanted).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    model.eval()


@torch.inference_mode()
def accuracy(model: ViTForImageClassification, rows: Rows) -> float:
    """Share of rows whose largest output is the right one."""
    shades, labels = rows
    right = [
        (model(pixel_values=2 * part - 1).logits.argmax(-1) == wanted).sum()
        for part, wanted in zip(shades.split(100), labels.split(100), strict=True)
    ]
    return float(torch.stack(right).sum()) / len(labels)
