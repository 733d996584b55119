"""From loaded models to states in one order: labels first, then every free space."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.data.synthetic.batches import synthetic_batches
from hubmerge.errors import CanonicalError, LabelError, LawError
from hubmerge.hub.client import cache_folder
from hubmerge.hub.compare import has_classes, label_permutation
from hubmerge.hub.fetch import fetch
from hubmerge.hub.load import LoadedModel, load
from hubmerge.hub.source import Source
from hubmerge.matching import Learner, Match, find_method
from hubmerge.matching.multi import MultiMatchProblem, find_multi_matcher
from hubmerge.matching.registry import NOTHING, SYNTHETIC
from hubmerge.models.method_context import MethodContext
from hubmerge.models.probe import probe_inputs
from hubmerge.recipe import Recipe
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.element import transform
from hubmerge.symmetry.laws import TOLERANCE, deviation, outputs, prove, spec_of
from hubmerge.symmetry.permutation import State, permute
from hubmerge.symmetry.unit_scales import level
from hubmerge.utils.checkpoint_store import CheckpointStore
from hubmerge.utils.input_batches import InputBatches, NoBatches
from hubmerge.utils.progress import track
from hubmerge.utils.workers import Workers

UNFINISHED = "hubmerge-courses"
"""Name of the folder of unfinished work."""

LABELS = "label"
"""Name of the fixed space that runs over classes, in every spec of a classifier."""

PAIR = "star"
"""How two models are brought together, where all ways are one: the second matched to the first."""


@dataclass(frozen=True)
class Parents:
    """Parents whose classes stand in the same order, and what their tensors' axes are.

    states: classifier rows in A's order. spec: None where nothing is matched and no family
    describes the models. levelled: `states` are scaled, and not the loaded models' own.
    """

    loaded: tuple[LoadedModel, ...]
    spec: Spec | None
    states: tuple[State, ...]

    @property
    def a(self) -> LoadedModel:
        """The first, whose order all others are brought into."""
        return self.loaded[0]

    levelled: bool = False

    def with_symmetry(self, symmetry: str) -> Parents:
        """The same, with one of the spec's `SYMMETRIES`."""
        return self if self.spec is None else replace(self, spec=self.spec.allowing(symmetry))

    def level(self) -> Parents:
        """The same with every unit at its one size, if the spec allows scales."""
        if self.spec is None or not self.spec.scales:
            return self
        states = tuple(_as_before(level(self.spec, each), each) for each in self.states)
        return replace(self, states=states, levelled=True)

    def model(self, number: int) -> PreTrainedModel:
        """A parent as a model, its classes in A's order."""
        if number == 0 and not self.levelled:
            return self.a.model
        return with_state(self.loaded[number].model, self.states[number])


def loaded(source: Source, recipe: Recipe, workers: Workers) -> LoadedModel:
    """Fetched by the main process, then loaded by every one."""
    workers.on_main(lambda: fetch(source, code=recipe.trust_remote_code))
    return load(source, trust_remote_code=recipe.trust_remote_code)


def with_state(model: PreTrainedModel, state: State) -> PreTrainedModel:
    """A copy of `model` that holds `state`."""
    holder = copy.deepcopy(model)
    holder.load_state_dict(dict(state))
    return holder.eval()


def gather(
    models: Sequence[LoadedModel], *, labels: str, matched: bool, symmetry: str = "all"
) -> Parents:
    """Brings all classes into A's order; proves the spec on B if anything will be `matched`.

    labels: "name" or "index". symmetry: one of the spec's `SYMMETRIES`.
    Raises: FamilyError, SpecError, LabelError; LawError, if a free space moves B's outputs.
    """
    a, b = models[:2]
    spec = spec_of(a.model) if matched else None
    states: list[State] = [model.model.state_dict() for model in models]
    if has_classes(a.config):
        by: Literal["names", "index"] = "index" if labels == "index" else "names"
        for number, other in enumerate(models[1:], start=1):
            order = label_permutation(a.id2label, other.id2label, by=by)
            states[number] = relabelled(a.model, spec, states[number], order)
    if spec is not None:
        spec = spec.allowing(symmetry)
        precise = copy.deepcopy(b.model).double()
        prove(precise, spec, probe_inputs(precise), elements=1, mapped=False)
    return Parents(tuple(models), spec, tuple(states))


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


def match_all(
    parents: Parents,
    method: str,
    together: str,
    batches: InputBatches,
    workers: Workers,
    *,
    seed: int,
    validation: InputBatches | None = None,
    steps: int | None = None,
) -> tuple[Match, ...]:
    """One match for every parent after A, by the registered matcher `method`.

    together: the registered way more than two are brought together. `batches` are looked at if
    the matcher needs activations. validation: what matchers that learn choose on; steps: how many
    they take at most. What they have learned so far is kept beside the cache of the Hub, and taken
    up again.
    """
    parents = parents.level()
    spec, count = parents.spec, len(parents.loaded)
    assert spec is not None
    found = find_method(method)
    way = find_multi_matcher(together if count > 2 else PAIR)
    if isinstance(found, Learner):
        scratch = copy.deepcopy(parents.a.model)
        checkpoints = CheckpointStore(cache_folder().parent / UNFINISHED)
        spec = spec.unflipped  # signs are not learned
        context = MethodContext(
            spec, scratch, batches, workers, validation or NoBatches(), checkpoints, steps
        )
        return tuple(
            way.function(MultiMatchProblem(spec, parents.states, found, {}, seed, context))
        )
    moments = {}
    if found.looks_at != NOTHING:
        shown = batches
        if found.looks_at == SYNTHETIC:
            shown = synthetic_batches(parents.a.model, parents.a.processor, seed=seed)
        moments = {
            (p, q): found.observe(spec, parents.model(p), parents.model(q), shown, workers)
            for p, q in way.pairs(count)
        }
    shared = workers if found.spreads else None
    problem = MultiMatchProblem(spec, parents.states, found, moments, seed, workers=shared)

    def search() -> tuple[Match, ...]:
        with workers.single_threaded_ops(), track(1, f"matching by {method}", "match") as bar:
            matches = tuple(way.function(problem))
            bar.update(1)
            return matches

    return search() if found.spreads else workers.on_main(search)


def aligned(parents: Parents, matches: Sequence[Match]) -> list[State]:
    """A's state in the form the matches need, and all others lined up with it.

    Raises: LawError, if the function of one is not its parent's any more; CanonicalError.
    """
    mapping = next((match for match in matches if match.formed), None)
    first, others = parents.states[0], parents.states[1:]
    moved = [first if mapping is None else mapping.anchored(first)]
    if mapping is not None:
        _refuse_ill_formed(parents.a.model, first, moved[0])
    for match, state in zip(matches, others, strict=True):
        form = state if mapping is None else mapping.anchored(state)
        if mapping is not None:
            _refuse_ill_formed(parents.a.model, state, form)
        moved.append(transform(match.spec, form, match.symmetry))
        refuse_changed(parents.a.model, state, moved[-1], f"aligning by {match.method}")
    return [_as_before(*each) for each in zip(moved, parents.states, strict=True)]


def _as_before(state: State, before: State) -> State:
    """`state` in the precision that `before` has; the very tensors where that is what they are."""
    return {name: value.to(before[name].dtype) for name, value in state.items()}


def _refuse_ill_formed(model: PreTrainedModel, state: State, form: State) -> None:
    """Raises: CanonicalError, if rounding alone moves the outputs of a canonical form too far."""
    moved = _deviation(model, state, form)
    if moved > TOLERANCE:
        raise CanonicalError(
            f"a parent's canonical form moves its outputs by {moved:.1e} of their size",
            found="gains or heads of very different sizes, which float64 cannot hold together, or "
            "a spec that allows what the model does not: hubmerge specs check MODEL",
            hint="--symmetry permutations needs no canonical form",
        )


def _deviation(model: PreTrainedModel, before: State, after: State) -> float:
    """How far apart the outputs of two states are on a probe batch, in float64."""
    precise = copy.deepcopy(model).double()
    inputs = probe_inputs(precise)
    reference = outputs(precise, doubled(before), inputs)
    return deviation(reference, outputs(precise, doubled(after), inputs))


def refuse_changed(model: PreTrainedModel, before: State, after: State, what: str) -> None:
    """Raises: LawError, unless both states give `model` the same outputs on a probe batch."""
    moved = _deviation(model, before, after)
    if moved > TOLERANCE:
        raise LawError(
            f"{what} moved the outputs by {moved:.1e} of their size",
            hint="--symmetry permutations leaves scales, signs, rotations and maps out; hubmerge "
            "specs check MODEL says which space moves the outputs; if the spec came with hubmerge, "
            "please report this, with the two models",
        )


def doubled(state: State) -> dict[str, Tensor]:
    """`state` with every floating tensor in float64."""
    return {
        name: value.double() if value.is_floating_point() else value
        for name, value in state.items()
    }
