"""Words and figures that fields of a recipe hold."""

from __future__ import annotations

from typing import Final, Literal

RECIPE_FILE = "hubmerge.yaml"
RECIPE_BYTES = 1 << 16
"""Most of a recipe's file."""
DEEPEST = 7
"""Levels a recipe has, at most: lists and mappings within each other, and one to spare."""
DEEPEST_OF_MERGEKIT = 10
"""The same of a file for mergekit: slices, sources, parameters, filters and gradients."""
DATASET, BASE = "dataset", "base"
"""Roles beside "model_a", "model_b", ..."""
AUTO: Final = "auto"
ARITHMETIC = 6
"""Version of the arithmetic. Another one gives other bytes for the same recipe."""
PASSTHROUGH: Final = "passthrough"
"""The fusion that stacks layers, and mixes none."""
UNION: Final = "union"
"""The vocabulary of all tokens that any parent has."""
MIDDLE = 0.5
"""The lambda that weighs two parents alike."""
WITH_BASE: Final = "ties"
"""The fusion of models with a common base, where none is named."""
SIZE = r"^[1-9][0-9]{0,14}(|KB|MB|GB|TB)$"
"""How a number of bytes is written: a whole number, and a power of 1000."""
DtypeName = Literal["float32", "float16", "bfloat16"]
"""What a merge may be asked to be stored as."""
HeadKind = Literal["same", "join", "concat"]
"""One label set for all; one output per label of any; all outputs of all parents."""
JointHeadKind = Literal["join", "concat"]
SAME: Final = "same"
JOIN: Final = "join"
CONCAT: Final = "concat"

NO_REFINEMENT: Final = "none"
NO_PATH: Final = "none"
REFINE_STEPS = 300
"""Default number of steps of a refinement."""

TEMPLATE_CHARACTERS = 50_000
"""Of a chat template that stands in a recipe; the longest on the Hub have 20,000."""

SurveyName = Literal["path", "plane", "simplex"]


def bytes_of(size: str) -> int:
    """How many bytes a size is, which is written as `SIZE` says."""
    number = size.rstrip("KMGTB")
    powers = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    return int(number) * powers[size[len(number) :]]
