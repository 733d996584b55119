"""Measuring: data, the three sets of rows, evaluation, scores, the lambda-curve, comparisons."""

from hubmerge.measure.batches import BATCH_SIZE, Batch, Batches, make_batches
from hubmerge.measure.compare import compare
from hubmerge.measure.curve import (
    CURVE_ROWS,
    GRID,
    PATH_POINTS,
    Sight,
    choose_lambda,
    measure_curve,
    measure_curves,
)
from hubmerge.measure.data import Data, open_data
from hubmerge.measure.evaluate import Together, logits, outputs
from hubmerge.measure.labels import LabelMap, match_labels
from hubmerge.measure.outputs import ClassOutputs, Outputs
from hubmerge.measure.results import Barrier, Comparison, Curve, CurvePoint, Score
from hubmerge.measure.rows import Rows, RowSet, choose_rows, training_rows
from hubmerge.measure.score import ensemble, score
from hubmerge.measure.temperature import fit_temperature

__all__ = [
    "BATCH_SIZE",
    "CURVE_ROWS",
    "GRID",
    "PATH_POINTS",
    "Barrier",
    "Batch",
    "Batches",
    "ClassOutputs",
    "Comparison",
    "Curve",
    "CurvePoint",
    "Data",
    "LabelMap",
    "Outputs",
    "RowSet",
    "Rows",
    "Score",
    "Sight",
    "Together",
    "choose_lambda",
    "choose_rows",
    "compare",
    "ensemble",
    "fit_temperature",
    "logits",
    "make_batches",
    "match_labels",
    "measure_curve",
    "measure_curves",
    "open_data",
    "outputs",
    "score",
    "training_rows",
]
