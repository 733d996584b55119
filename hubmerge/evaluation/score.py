"""Loss, scores and calibration of one contender, from what it says."""

from __future__ import annotations

from hubmerge.evaluation.bootstrap import NO_BOUNDS, bounds, is_enough, resampled
from hubmerge.evaluation.results import Estimate, Score
from hubmerge.models.metrics import Metric
from hubmerge.models.outputs import Outputs


def temperature_of(validation: Outputs | None) -> float | None:
    """The contender's temperature; None without validation rows, if logits are not finite, or
    where a temperature means nothing.
    """
    if validation is None or not len(validation) or not validation.finite:
        return None
    return validation.fitted_temperature()


def score(outputs: Outputs, validation: Outputs | None = None, *, has_loss: bool = True) -> Score:
    """Everything about one contender on the evaluation rows `outputs`.

    validation: the same contender on the validation rows, where its temperature is fitted.
    has_loss: whether rows have one; where they do not, the main score has an interval instead.
    Raises: ValueError, if there are no rows.
    """
    if not len(outputs):
        raise ValueError("there are no rows to score")
    if not has_loss:
        main = _estimate(outputs.metric, len(outputs))
        return Score(
            loss=None,
            accuracy=main.value,
            accuracy_low=main.low,
            accuracy_high=main.high,
            calibration_error=None,
            scores=_estimates(outputs),
            n=len(outputs),
        )
    temperature = temperature_of(validation)
    calibrated = None
    if temperature is not None:
        calibrated = float(outputs.losses(temperature).mean())
    return Score(
        loss=float(outputs.losses().mean()),
        accuracy=outputs.metric.value(),
        calibration_error=outputs.calibration_error,
        temperature=temperature,
        calibrated_loss=calibrated,
        scores=_estimates(outputs),
        n=len(outputs),
    )


def _estimate(metric: Metric, rows: int) -> Estimate:
    low, high = bounds(resampled([metric], rows)[:, 0]) if is_enough(rows) else NO_BOUNDS
    return Estimate(value=metric.value(), low=low, high=high)


def _estimates(outputs: Outputs) -> dict[str, Estimate]:
    """Further scores, with intervals where there are rows enough."""
    names, metrics = list(outputs.others), [*outputs.others.values()]
    ends = [NO_BOUNDS for _ in names]
    if metrics and is_enough(len(outputs)):
        ends = [bounds(each) for each in resampled(metrics, len(outputs)).T]
    return {
        name: Estimate(value=metric.value(), low=low, high=high)
        for name, metric, (low, high) in zip(names, metrics, ends, strict=True)
    }
