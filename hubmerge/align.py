"""From two loaded models to two states in one order: labels first, then every free space."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.bench import Bench
from hubmerge.calibration import InputBatches, NoBatches
from hubmerge.errors import LabelError, LawError
from hubmerge.hub import LoadedModel, Source, fetch, has_classes, label_permutation, load
from hubmerge.hub.client import cache_folder
from hubmerge.matching import Learner, Match, find_method
from hubmerge.matching.registry import NOTHING, SYNTHETIC
from hubmerge.models.probe import probe_inputs
from hubmerge.progress import track
from hubmerge.recipe import Recipe
from hubmerge.shelf import Shelf
from hubmerge.spec.laws import TOLERANCE, deviation, outputs, prove, spec_of
from hubmerge.spec.permutation import State, permute
from hubmerge.spec.spec import Spec
from hubmerge.synthetic import synthetic_batches
from hubmerge.workers import Workers

UNFINISHED = "hubmerge-learning"
"""Name of the folder of unfinished work."""

LABELS = "label"
"""Name of the fixed space that runs over classes, in every spec of a classifier."""


@dataclass(frozen=True)
class Pair:
    """Two parents whose classes stand in the same order, and what their tensors' axes are.

    last: parent B's state, its classifier rows in A's order. spec: None where nothing is matched
    and no family describes the models.
    """

    a: LoadedModel
    b: LoadedModel
    spec: Spec | None
    first: State
    last: State

    def model_b(self) -> PreTrainedModel:
        """Parent B as a model, its classes in A's order."""
        return with_state(self.b.model, self.last)


def loaded(source: Source, recipe: Recipe, workers: Workers) -> LoadedModel:
    """Fetched by the main process, then loaded by every one."""
    workers.on_main(lambda: fetch(source, code=recipe.trust_remote_code))
    return load(source, trust_remote_code=recipe.trust_remote_code)


def with_state(model: PreTrainedModel, state: State) -> PreTrainedModel:
    """A copy of `model` that holds `state`."""
    holder = copy.deepcopy(model)
    holder.load_state_dict(dict(state))
    return holder.eval()


def pair_up(
    a: LoadedModel, b: LoadedModel, *, labels: str, matched: bool, symmetry: str = "all"
) -> Pair:
    """Brings B's classes into A's order; proves the spec on B if anything will be `matched`.

    labels: "by-name" or "by-index". symmetry: "all", or "permutations" to leave out rotations and
    linear maps.
    Raises: FamilyError, SpecError, LabelError; LawError, if a free space moves B's outputs.
    """
    spec = spec_of(a.model) if matched else None
    first: State = a.model.state_dict()
    last: State = b.model.state_dict()
    if has_classes(a.config):
        order = label_permutation(
            a.id2label, b.id2label, by="index" if labels == "by-index" else "names"
        )
        last = relabelled(a.model, spec, last, order)
    if spec is not None:
        spec = spec.permutations_only if symmetry == "permutations" else spec
        precise = copy.deepcopy(b.model).double()
        prove(precise, spec, probe_inputs(precise), elements=1, mapped=False)
    return Pair(a, b, spec, first, last)


def relabelled(
    model: PreTrainedModel, spec: Spec | None, state: State, order: Sequence[int]
) -> State:
    """`state` with class i taken from class order[i].

    Raises: LabelError, if the order changes and no spec says where the classes are.
    """
    if list(order) == list(range(len(order))):
        return state
    spec = spec or spec_of(model)
    if LABELS not in spec.spaces:
        raise LabelError(
            "the two models order their classes differently",
            found=f"the {spec.family} spec names no space {LABELS!r}",
            source=spec.source,
        )
    return permute(spec, state, {LABELS: torch.tensor(order)})


def match_pair(
    pair: Pair,
    method: str,
    batches: InputBatches,
    workers: Workers,
    *,
    seed: int,
    validation: InputBatches | None = None,
) -> Match:
    """Runs the registered matcher `method`; `batches` are looked at if it needs activations.

    validation: what matchers that learn choose on. What they have learned so far is kept beside the
    cache of the Hub, and taken up again.
    """
    spec = pair.spec
    assert spec is not None
    found = find_method(method)
    if isinstance(found, Learner):
        scratch = copy.deepcopy(pair.a.model)
        shelf = Shelf(cache_folder().parent / UNFINISHED)
        bench = Bench(spec, scratch, batches, workers, validation or NoBatches(), shelf)
        return found.function(spec, pair.first, pair.last, bench=bench, seed=seed)
    moments = None
    if found.looks_at != NOTHING:
        shown = batches
        if found.looks_at == SYNTHETIC:
            shown = synthetic_batches(pair.a.model, pair.a.processor, seed=seed)
        moments = found.observe(spec, pair.a.model, pair.model_b(), shown, workers)

    def search() -> Match:
        with workers.single_threaded_ops(), track(1, f"matching by {method}", "match") as bar:
            match = found.function(spec, pair.first, pair.last, moments=moments, seed=seed)
            bar.update(1)
            return match

    return workers.on_main(search)


def aligned(pair: Pair, match: Match) -> tuple[State, State]:
    """A's state in the form `match` needs, and B's lined up with it.

    Raises: LawError, if either function is not its parent's any more; CanonicalError.
    """
    first, last = match.anchored(pair.first), match.apply(pair.last)
    if match.maps:
        refuse_changed(pair.a.model, pair.first, first, "bringing A into canonical form")
    refuse_changed(pair.a.model, pair.last, last, f"aligning by {match.method}")
    return _as_before(first, pair.first), _as_before(last, pair.last)


def _as_before(state: State, before: State) -> State:
    """`state` in the precision that `before` has; the very tensors where that is what they are."""
    return {name: value.to(before[name].dtype) for name, value in state.items()}


def refuse_changed(model: PreTrainedModel, before: State, after: State, what: str) -> None:
    """Raises: LawError, unless both states give `model` the same outputs on a probe batch."""
    precise = copy.deepcopy(model).double()
    inputs = probe_inputs(precise)
    moved = deviation(
        outputs(precise, doubled(before), inputs), outputs(precise, doubled(after), inputs)
    )
    if moved > TOLERANCE:
        raise LawError(
            f"{what} moved the outputs by {moved:.1e} of their size",
            hint="please report this, with the two models",
        )


def doubled(state: State) -> dict[str, Tensor]:
    """`state` with every floating tensor in float64."""
    return {
        name: value.double() if value.is_floating_point() else value
        for name, value in state.items()
    }
