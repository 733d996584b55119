"""Choose the repair of a merge."""

from __future__ import annotations

from dataclasses import replace

from hubmerge.data.batches import Batches
from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.load import MergeInputs
from hubmerge.pipeline.methods import AUTO
from hubmerge.repair import Repair, as_trained, batch_norms, find_repair


def choose_repair(run: Run, inputs: MergeInputs) -> Repair | None:
    """The repair to use; None if there is nothing to repair or nothing to repair it on.

    Without calibration rows, "auto" repairs on synthetic images.
    Raises: RecipeError, if a repair was named and there are no calibration rows for it.
    """
    name, splits = run.recipe.repair, inputs.splits
    if name == "none":
        return None
    if name == AUTO:
        seen = (splits and splits.calibration.rows) or inputs.takes_images
        return find_repair("batchnorm") if batch_norms(inputs.parents.a.model) and seen else None
    if splits is None:
        return None
    if not splits.calibration.rows:
        raise RecipeError(
            f"{option('repair', name)} needs calibration rows",
            found="none are left for it",
            field="repair",
        )
    return find_repair(name)


def shown_as_trained(run: Run, inputs: MergeInputs, repair: Repair | None) -> MergeInputs:
    """The same, with synthetic images that excite batch norms as real ones did, if any are used.

    Called by all processes alike.
    """
    images, model = inputs.statistics, inputs.parents.a.model
    if repair is None or not isinstance(images, Batches) or not images.synthetic:
        return inputs
    if not batch_norms(model):
        return inputs
    changed = as_trained(images, model, inputs.parents.states, run.workers)
    return replace(inputs, statistics=changed)
