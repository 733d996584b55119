"""Whether a merge can be made tensor by tensor, as far as recipe, configuration and headers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from transformers import PreTrainedModel

from hubmerge.hub.layout import TensorHeader
from hubmerge.planning.planned import PlannedMethods
from hubmerge.planning.resources import FLOAT32, WORKING
from hubmerge.recipe import SAME, Recipe
from hubmerge.repair import batch_norms
from hubmerge.streaming.fuse import SPECTRAL_COPIES

AUTO, NONE = "auto", "none"

Headers = Mapping[str, TensorHeader]


def streams(
    recipe: Recipe, methods: PlannedMethods, model: PreTrainedModel, stored: Sequence[Headers]
) -> bool:
    """Whether no step of the merge needs a whole model.

    model: without memory for its weights. stored: the tensors of parents and base, on disk. Nothing
    is matched, repaired, measured or chosen, the fusion looks at one tensor at a time, and the
    tensors on disk are those of the model, by name and shape. Models with batch norms are small,
    and may need repair.
    """
    fusion = methods.fusion
    return (
        methods.match == NONE
        and not methods.tries_matchers
        and fusion is not None
        and fusion.tensorwise
        and recipe.dataset is None
        and not recipe.survey
        and recipe.heads == SAME
        and recipe.lam != AUTO
        and recipe.repair in (NONE, AUTO)
        and not batch_norms(model)
        and not recipe.trust_remote_code
        and all(stores(model, headers) for headers in stored)
    )


def stores(model: PreTrainedModel, headers: Headers) -> bool:
    """Whether a checkpoint holds exactly the tensors of `model`, each parameter once at least."""
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if any(shapes.get(name) != header.shape for name, header in headers.items()):
        return False
    parameters = dict(model.named_parameters(remove_duplicate=False))
    there = {id(parameters[name]) for name in headers if name in parameters}
    missing = shapes.keys() - headers.keys()
    return all(name in parameters and id(parameters[name]) in there for name in missing)


def memory_to_stream(model: PreTrainedModel, models: int, *, spectral: bool = False) -> int:
    """Bytes at the peak for a merge of so many models that is made tensor by tensor.

    spectral: whether matrices are decomposed.
    """
    largest = max((parameter.numel() for parameter in model.parameters()), default=0)
    copies = SPECTRAL_COPIES if spectral else 1
    return copies * (models + 1) * largest * FLOAT32 + WORKING
