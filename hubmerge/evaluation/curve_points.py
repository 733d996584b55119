"""From what a path's points say to its curve: figures of every point, and the barriers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hubmerge.evaluation.barrier import barrier, excess, wanted
from hubmerge.evaluation.results import Curve, CurvePoint
from hubmerge.models.outputs import Outputs


@dataclass(frozen=True)
class PointOutputs:
    """What one model says of some rows, and its temperature, None if it has none."""

    here: Outputs
    temperature: float | None

    @property
    def losses(self) -> np.ndarray:
        """In nats, [rows]."""
        return self.here.losses()

    @property
    def calibrated(self) -> np.ndarray:
        """The same after its temperature."""
        return self.here.losses(self.temperature or 1.0)

    @property
    def errors(self) -> np.ndarray | None:
        """What is wrong of each row: 0 or 1, or the share of it. None where that means nothing."""
        right = self.here.metric.rows
        return None if right is None else 1.0 - right

    @property
    def calibrates(self) -> bool:
        """Whether its calibrated loss is known: it has a temperature, or none means anything."""
        return self.temperature is not None or not self.here.calibrates


@dataclass(frozen=True)
class CurvePoints:
    """The places of a path by lambda, and what they are held against.

    parents: the untouched ones; of two, the ends of the path. weights: of more, what each weighs
    at the far end.
    """

    places: Mapping[float, PointOutputs]
    parents: Sequence[PointOutputs]
    weights: Sequence[float] | None = None

    @property
    def lams(self) -> list[float]:
        """In ascending order."""
        return sorted(self.places)

    def wanted(self) -> list[float]:
        """Where to look next: around the highest loss, raw and calibrated, then the most errors."""
        heights = [self._heights("losses")]
        if self._calibrates:
            heights.append(self._heights("calibrated"))
        if self._errs:
            heights.append(self._heights("errors"))
        found = [lam for losses, far in heights for lam in wanted(losses, self.lams, far)]
        return list(dict.fromkeys(found))

    def curve(self) -> Curve:
        """The figures of all places, and how high the path rises."""
        lams = self.lams
        raw, errors = self._heights("losses"), self._heights("errors") if self._errs else None
        fitted = self._heights("calibrated") if self._calibrates else None
        means, rises = _means(*raw, lams)
        fitted_means, fitted_rises = _means(*fitted, lams) if fitted else ([], [])
        points = [
            CurvePoint(
                lam=lam,
                loss=means[i],
                accuracy=self.places[lam].here.metric.value(),
                excess=rises[i],
                calibrated_loss=fitted_means[i] if fitted else None,
                calibrated_excess=fitted_rises[i] if fitted else None,
            )
            for i, lam in enumerate(lams)
        ]
        return Curve(
            points=points,
            barrier=barrier(raw[0], lams, raw[1]),
            calibrated_barrier=barrier(fitted[0], lams, fitted[1]) if fitted else None,
            error_barrier=barrier(errors[0], lams, errors[1]) if errors else None,
            n=len(self.parents[0].here),
        )

    @property
    def _calibrates(self) -> bool:
        everyone: Iterable[PointOutputs] = (*self.places.values(), *self.parents)
        return all(place.calibrates for place in everyone)

    @property
    def _errs(self) -> bool:
        """Whether rows are right or wrong; all places are of one kind."""
        return self.parents[0].errors is not None

    def _heights(self, what: str) -> tuple[np.ndarray, np.ndarray | None]:
        """`what` of every place, row by row [points, rows], and of the mixture at the far end."""
        along = np.stack([getattr(self.places[lam], what) for lam in self.lams])
        if self.weights is None:
            return along, None
        own = np.stack([getattr(parent, what) for parent in self.parents])
        return along, np.einsum("p,pr->r", np.asarray(self.weights), own)


def _means(
    losses: np.ndarray, far: np.ndarray | None, lams: Sequence[float]
) -> tuple[list[float], list[float]]:
    """The mean loss and the mean excess of every point."""
    return losses.mean(1).tolist(), excess(losses, lams, far).mean(1).tolist()
