"""Classification heads of several label sets: which output of one head stands for what.

Parents with different label sets have heads of different sizes. A joint head has all: joined,
with one output for every label that some parent knows, or apart, with all outputs of all parents
side by side. Either is a list of outputs, and for each parent which of them it knows. The same
labels are those of one name, whatever case, spaces and underscores it is written with.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubmerge.errors import LabelError
from hubmerge.recipe import CONCAT, JOIN, SAME, JointHeadKind
from hubmerge.utils.parent_names import parent_letters

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

MADE_UP = re.compile(r"LABEL_\d+")
"""What transformers calls a class without a name."""


def normalised(name: str) -> str:
    """What two spellings of one label have in common."""
    return re.sub(r"[\s_]+", "", name).casefold()


@dataclass(frozen=True)
class JointHead:
    """The outputs of one head for several parents.

    outputs: their names, in order. labels: all labels, each once, in the order in which
    parents bring them. stands_for: the number of the label that each output stands for. rows: for
    each parent, which of its own outputs each output is; None where it has no such output.
    """

    kind: JointHeadKind
    outputs: tuple[str, ...]
    labels: tuple[str, ...]
    stands_for: tuple[int, ...]
    rows: tuple[tuple[int | None, ...], ...]

    def known(self, parent: int) -> list[int]:
        """The outputs that a parent has, in its own order."""
        own = {row: output for output, row in enumerate(self.rows[parent]) if row is not None}
        return [own[row] for row in sorted(own)]

    def labels_of(self, parent: int) -> list[int]:
        """The labels that a parent knows, in its own order."""
        return [self.stands_for[output] for output in self.known(parent)]

    @property
    def shared(self) -> int:
        """Labels that more than one parent knows."""
        known = Counter(
            label for parent in range(len(self.rows)) for label in self.labels_of(parent)
        )
        return sum(count > 1 for count in known.values())

    def rows_of(self, names: Sequence[str]) -> tuple[int | None, ...]:
        """Which output of a model that is no parent (their base), by its labels, each output is."""
        own = {normalised(name): row for row, name in enumerate(names)}
        return tuple(own.get(normalised(self.labels[label])) for label in self.stands_for)


def heads_of(kind: str, names: Sequence[Sequence[str]]) -> JointHead | None:
    """The head for parents with these labels; None where theirs is one label set already.

    Raises: LabelError, if labels have no names, or a parent has one name twice.
    """
    own = [[normalised(name) for name in each] for each in names]
    if kind == SAME or (kind == JOIN and all(sorted(each) == sorted(names[0]) for each in names)):
        return None
    for letter, each in zip(parent_letters(len(names)), names, strict=True):
        _refuse_unclear(letter, each)
    labels: dict[str, str] = {}
    for each in names:
        labels |= {normalised(n): n for n in each if normalised(n) not in labels}
    number = {name: label for label, name in enumerate(labels)}
    spelled = tuple(labels.values())
    if kind == JOIN:
        rows = tuple(
            tuple(each.index(name) if name in each else None for name in labels) for each in own
        )
        return JointHead(JOIN, spelled, spelled, tuple(range(len(labels))), rows)
    owners = [(parent, row) for parent, each in enumerate(own) for row in range(len(each))]
    rows = tuple(
        tuple(row if owner == parent else None for owner, row in owners)
        for parent in range(len(own))
    )
    stands_for = tuple(number[own[parent][row]] for parent, row in owners)
    return JointHead(CONCAT, _marked(names, owners, stands_for), spelled, stands_for, rows)


def with_labels(config: PreTrainedConfig, names: Sequence[str]) -> PreTrainedConfig:
    """A copy of `config` with these classes."""
    lifted = copy.deepcopy(config)
    lifted.id2label = dict(enumerate(names))
    lifted.label2id = {name: number for number, name in enumerate(names)}
    return lifted


def _refuse_unclear(letter: str, names: Sequence[str]) -> None:
    nothing = next((name for name in names if MADE_UP.fullmatch(name)), None)
    if nothing is not None:
        raise LabelError(
            f"the label names of {letter} say nothing, and heads are brought together by them",
            found=repr(nothing),
            hint="give its config an id2label with real names",
        )
    counts = Counter(map(normalised, names))
    twice = [name for name in names if counts[normalised(name)] > 1]
    if twice:
        raise LabelError(
            f"{letter} has several classes of one name, and heads are brought together by names",
            found=", ".join(map(repr, twice[:5])),
            hint="give its config an id2label in which every name stands once",
        )


def _marked(
    names: Sequence[Sequence[str]], owners: Sequence[tuple[int, int]], stands_for: Sequence[int]
) -> tuple[str, ...]:
    """The name of each output, with its parent's letter where several have it."""
    count = Counter(stands_for)
    marks = parent_letters(len(names))
    marked = tuple(
        f"{names[parent][row]} ({marks[parent]})" if count[label] > 1 else names[parent][row]
        for (parent, row), label in zip(owners, stands_for, strict=True)
    )
    if len({*map(normalised, marked)}) < len(marked):
        raise LabelError(
            "marked with the letters of the parents, labels have the names of others",
            found=", ".join(sorted({name for name in marked if marked.count(name) > 1})),
            hint="rename them in a parent's id2label",
        )
    return marked
