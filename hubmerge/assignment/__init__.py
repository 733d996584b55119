"""Exact linear assignment: pairing the rows and columns of a matrix for the largest sum."""

from hubmerge.assignment.certificate import optimality_gap
from hubmerge.assignment.columns import best_columns
from hubmerge.assignment.result import Assignment
from hubmerge.assignment.solver import linear_assignment

__all__ = ["Assignment", "best_columns", "linear_assignment", "optimality_gap"]
