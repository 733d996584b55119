"""Whether a classifier's outputs exclude each other, as a softmax and its losses take them to.

transformers chooses a loss by `problem_type`; where that says nothing, one output alone is a number
and several are classes of which one is right.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import leave_out, option
from hubmerge.tasks._registry import has_classes

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

ONE_OF_N = (None, "single_label_classification")
"""Values of `problem_type` by which one class is right."""

MEANINGS = {
    "multi_label_classification": "any number of its labels may be right at once",
    "regression": "its outputs are numbers, not classes",
}


def why_not_one_of_n(config: PreTrainedConfig) -> str | None:
    """What the outputs of a classifier are, where they are not classes of which one is right.

    None where they are, and for models without classes.
    """
    if not has_classes(config):
        return None
    kind = config.problem_type
    if kind not in ONE_OF_N:
        return MEANINGS.get(str(kind), "its outputs are read in another way")
    if config.num_labels == 1:
        return "its one output is a number, not a class"
    return None


def require_one_of_n(models: Iterable[tuple[PreTrainedConfig, str]]) -> None:
    """models: configuration and name of each.

    Raises: RecipeError, if what is measured would mean nothing for one of them.
    """
    for config, ref in models:
        if (why := why_not_one_of_n(config)) is not None:
            raise RecipeError(
                f"{ref} cannot be measured: {why}",
                found=f'"problem_type": "{config.problem_type}" in its config.json'
                if config.problem_type
                else f"a {(config.architectures or [''])[0]} with one output",
                hint="accuracy and loss are measured where one class of several is right; merge "
                f"without measuring: {leave_out('dataset')}, {option('match', 'weights', 'none')}",
                field="dataset",
            )
