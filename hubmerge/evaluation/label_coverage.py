"""Scores on the labels of one parent: on the rows of these labels, predicted among them alone.

A parent cannot be right on a label that it does not know, so that all contenders are also compared
on the labels that each parent knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedModel

from hubmerge.data.batches import Batches
from hubmerge.evaluation.evaluate import logits
from hubmerge.evaluation.results import Score
from hubmerge.evaluation.score import score
from hubmerge.models.class_outputs import ClassOutputs
from hubmerge.models.joint_head import JointHead
from hubmerge.utils.parent_names import roles
from hubmerge.utils.workers import Workers


@dataclass(frozen=True)
class LabelCoverage:
    """A parent's labels, the rows there are of them, and contenders' scores on these, by name.

    scores: none where there are no rows.
    """

    parent: str
    labels: int
    rows: int
    scores: dict[str, Score]


def coverage_of(
    heads: JointHead,
    rows: Batches,
    parents: Sequence[PreTrainedModel],
    lifted: Mapping[str, PreTrainedModel],
    workers: Workers,
) -> tuple[LabelCoverage, ...]:
    """For every parent, its own scores and those of models with the head of all, by name."""
    assert rows.labels is not None
    labels = rows.labels.numpy()
    said = {name: logits(m, rows, workers, name).numpy() for name, m in lifted.items()}
    found = []
    for number, (role, parent) in enumerate(
        zip(roles("parent", len(parents)), parents, strict=True)
    ):
        known = heads.labels_of(number)
        here = np.isin(labels, known)
        place = {label: own for own, label in enumerate(known)}
        wanted = np.array([place[label] for label in labels[here]], dtype=np.int64)
        answers = {role: logits(parent, rows, workers, role).numpy()[here]}
        answers |= {name: each[here][:, heads.known(number)] for name, each in said.items()}
        scores = {name: score(ClassOutputs(each, wanted)) for name, each in answers.items()}
        found.append(LabelCoverage(role, len(known), len(wanted), scores if len(wanted) else {}))
    return tuple(found)


def known_labels(heads: JointHead) -> np.ndarray:
    """Which parent knows which label, bool [parents, labels]."""
    known = np.zeros((len(heads.rows), len(heads.labels)), dtype=bool)
    for parent in range(len(heads.rows)):
        known[parent, heads.labels_of(parent)] = True
    return known
