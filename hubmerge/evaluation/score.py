"""Loss, accuracy and calibration of one contender, from what it says. Losses in nats."""

from __future__ import annotations

from functools import reduce

import numpy as np
from scipy.special import log_softmax

from hubmerge.evaluation.outputs import ClassOutputs, Outputs
from hubmerge.evaluation.results import Score


def ensemble(*members: ClassOutputs, known: np.ndarray | None = None) -> ClassOutputs:
    """The contenders' mean probabilities, as logits: log of the mean of their softmaxes.

    known: bool [members, labels]; what a label counts is the mean over the members that know it.
    """
    logs = [log_softmax(member.logits, axis=1) for member in members]
    if known is None:
        return ClassOutputs(reduce(np.logaddexp, logs) - np.log(len(logs)), members[0].labels)
    heard = [np.where(own, log, -np.inf) for own, log in zip(known, logs, strict=True)]
    return ClassOutputs(reduce(np.logaddexp, heard) - np.log(known.sum(0)), members[0].labels)


def temperature_of(validation: Outputs | None) -> float | None:
    """The contender's temperature; None without validation rows, or if logits are not finite."""
    if validation is None or not len(validation) or not validation.finite:
        return None
    return validation.fitted_temperature()


def score(outputs: Outputs, validation: Outputs | None = None) -> Score:
    """Everything about one contender on the evaluation rows `outputs`.

    validation: the same contender on the validation rows, where its temperature is fitted.
    Raises: ValueError, if there are no rows.
    """
    if not len(outputs):
        raise ValueError("there are no rows to score")
    temperature = temperature_of(validation)
    calibrated = None
    if temperature is not None:
        calibrated = float(outputs.losses(temperature).mean())
    return Score(
        loss=float(outputs.losses().mean()),
        accuracy=float(outputs.right.mean()),
        calibration_error=outputs.calibration_error,
        temperature=temperature,
        calibrated_loss=calibrated,
        n=len(outputs),
    )
