"""Whether a merge can be made tensor by tensor, as far as recipe, configuration and headers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from transformers import PreTrainedModel

from hubmerge.hub.layout import TensorHeader
from hubmerge.matching.similarity.moments import LANES, bytes_of_sums, bytes_seen
from hubmerge.models.lookup import bytes_of_a_pass
from hubmerge.planning.planned import PlannedMethods
from hubmerge.planning.resources import FLOAT32, WORKING
from hubmerge.recipe import NO_REFINEMENT, SAME, Recipe, leaves_out_refinement
from hubmerge.repair import batch_norms
from hubmerge.specs.spec import PERMUTATIONS, Spec
from hubmerge.streaming.fuse import SPECTRAL_COPIES
from hubmerge.tasks import measure_of
from hubmerge.utils.processor import cores

AUTO, NONE, WEIGHTS, ACTIVATIONS = "auto", "none", "weights", "activations"

SIMILARITIES = 6
"""Matrices of a space's units by its units that are held while it is matched, on two threads."""

Headers = Mapping[str, TensorHeader]


def streams(
    recipe: Recipe, methods: PlannedMethods, model: PreTrainedModel, stored: Sequence[Headers]
) -> bool:
    """Whether no step of the merge needs a whole model.

    model: without memory for its weights. stored: the tensors of parents and base, on disk. Nothing
    is repaired, chosen or learned, nothing matched unless it is two models by their weights and by
    permutations alone, the fusion looks at one tensor at a time, and the tensors on disk are those
    of the model, by name and shape. Models with batch norms are small, and may need repair.
    What is measured are models that take tokens, and nothing was matched.
    """
    fusion = methods.fusion
    return (
        (methods.match == NONE or _matches_on_disk(recipe, methods))
        and not methods.tries_matchers
        and fusion is not None
        and fusion.tensorwise
        and (recipe.dataset is None or _measures_on_disk(recipe, methods, model))
        and not recipe.survey
        and not recipe.eval
        and recipe.heads == SAME
        and recipe.lam != AUTO
        and recipe.repair in (NONE, AUTO)
        and not batch_norms(model)
        and not recipe.trust_remote_code
        and all(stores(model, headers) for headers in stored)
    )


def _matches_on_disk(recipe: Recipe, methods: PlannedMethods) -> bool:
    return (
        methods.match in (WEIGHTS, ACTIVATIONS)
        and methods.symmetry == PERMUTATIONS
        and len(recipe.models) == 2
        and recipe.base is None
        and recipe.repair == NONE
    )


def _measures_on_disk(recipe: Recipe, methods: PlannedMethods, model: PreTrainedModel) -> bool:
    """Whether contenders can be measured that look their tensors up as they run."""
    measure = measure_of(model.config)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    one_of_n = measure is not None and measure.one_of_n
    taught = methods.trials.refine != NO_REFINEMENT and not leaves_out_refinement(
        recipe, one_of_n=one_of_n, parameters=parameters
    )
    tokens = model.main_input_name == "input_ids"
    unmatched = methods.match == NONE or _matches_on_disk(recipe, methods)
    return unmatched and methods.trials.lam != AUTO and tokens and not taught


def stores(model: PreTrainedModel, headers: Headers) -> bool:
    """Whether a checkpoint holds exactly the tensors of `model`, each parameter once at least."""
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if any(shapes.get(name) != header.shape for name, header in headers.items()):
        return False
    parameters = dict(model.named_parameters(remove_duplicate=False))
    there = {id(parameters[name]) for name in headers if name in parameters}
    missing = shapes.keys() - headers.keys()
    return all(name in parameters and id(parameters[name]) in there for name in missing)


def memory_to_stream(
    model: PreTrainedModel,
    models: int,
    *,
    spectral: bool = False,
    matched: Spec | None = None,
    measured: bool = False,
    seen: Spec | None = None,
    tokens: int = 0,
    allowed: int | None = None,
) -> int:
    """Bytes at the peak for a merge of so many models that is made tensor by tensor.

    spectral: whether matrices are decomposed. matched: the spec by which they are matched first.
    seen: the spec by which activations are matched, on rows of so many `tokens`.
    measured: whether contenders are run, on as many threads as there are cores, or as `allowed`
    bytes have room for.
    """
    largest = max((parameter.numel() for parameter in model.parameters()), default=0)
    copies = SPECTRAL_COPIES if spectral else 1
    needed = copies * (models + 1) * largest * FLOAT32
    if matched is not None:
        units = max((prod(matched.index_shape(s)) for s in matched.free_spaces()), default=0)
        needed = max(needed, SIMILARITIES * units**2 * FLOAT32 + (models + 1) * largest * FLOAT32)
    if seen is not None:
        sizes = [
            bytes_of_sums(seen, watch) + LANES * bytes_seen(watch, tokens) for watch in seen.watches
        ]
        run = LANES * largest * FLOAT32
        room = sum(sizes) if allowed is None else max(allowed - WORKING - run, *sizes)
        needed = max(needed, run + min(room, sum(sizes)))
    if measured:
        each = bytes_of_a_pass(model, models)
        room = cores() if allowed is None else max(1, (allowed - WORKING) // each)
        needed = max(needed, min(cores(), room) * each)
    return needed + WORKING
