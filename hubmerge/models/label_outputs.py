"""What a model's outputs answer, where they are not one for every label in question.

A model may know some of the labels only, or have several outputs for one (two heads side by side).
To be held against others it is read as a distribution over all labels: several outputs of one label
count together, and a label it does not know is as likely as chance has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp


@dataclass(frozen=True)
class Answers:
    """The label that each output stands for, of so many `labels`."""

    stands_for: tuple[int, ...]
    labels: int

    @property
    def known(self) -> tuple[int, ...]:
        """The labels that some output stands for."""
        return tuple(sorted(set(self.stands_for)))

    @property
    def plain(self) -> bool:
        """Whether output and label are one."""
        return self.stands_for == tuple(range(self.labels))

    def read(self, logits: np.ndarray) -> np.ndarray:
        """Logits of outputs [rows, outputs] as logits of labels [rows, labels].

        Every unknown label gets the probability 1 / labels, the known ones share the rest as the
        model has it. An unknown label is never the likeliest.
        """
        if self.plain:
            return logits
        read = np.empty((len(logits), self.labels))
        of = np.asarray(self.stands_for)
        for label in self.known:
            own = logits[:, of == label]
            read[:, label] = own[:, 0] if own.shape[1] == 1 else logsumexp(own, axis=1)
        known = list(self.known)
        unknown = [label for label in range(self.labels) if label not in set(known)]
        if unknown:
            mean = logsumexp(read[:, known], axis=1) - np.log(len(known))
            below = np.nextafter(read[:, known].max(axis=1), -np.inf)
            read[:, unknown] = np.minimum(mean, below)[:, None]
        return read
