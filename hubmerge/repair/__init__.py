"""Repairing what averaging weights does to activations."""

from hubmerge.repair.inversion import as_trained
from hubmerge.repair.methods.batchnorm import batch_norms
from hubmerge.repair.registry import Repair, Repairer, find_repair, repairs

__all__ = ["Repair", "Repairer", "as_trained", "batch_norms", "find_repair", "repairs"]
