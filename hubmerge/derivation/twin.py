"""A small model with every kind of layer of a large one: what is traced in its place.

Its configuration is the real one with fewer layers and narrower, by the names that transformers
gives such fields. Several ways of narrowing are tried, the one that separates sizes best first; a
twin is taken if its class builds it, and it has every kind of layer, few parameters, and answers.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from hubmerge.derivation.budget import refuse_delay
from hubmerge.derivation.depth import depth_of, indexed, is_staged, kinds, shallow
from hubmerge.derivation.fewer import as_many_experts
from hubmerge.derivation.twin_weights import generic, plain, settle
from hubmerge.derivation.width import NARROWER, Narrow
from hubmerge.errors import DerivationError, FamilyError
from hubmerge.models.probe import shaken
from hubmerge.models.probe_inputs import probe_inputs

LARGEST = 5_000_000
"""Parameters of a twin, at most."""

DEPTHS = (2, 3, 4, 6, 8, 12)
"""Numbers of layers that are tried, until every kind is there."""

EXPERT = re.compile(r"experts\.(expert_)?\d+\.")
"""Experts that are modules of their own."""


@dataclass(frozen=True)
class Twin:
    """The model that is traced, and the one it stands for.

    model: in float64, all its weights generic. inputs: of a probe. real: without memory for its
    weights. config, real_config: of both. tensors: what the forward depends on and a checkpoint
    holds, by name.
    """

    model: nn.Module
    inputs: dict[str, Tensor]
    real: nn.Module
    config: PreTrainedConfig
    real_config: PreTrainedConfig
    parameters: int

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Floating tensors that a checkpoint holds; names of one tensor share it."""
        state = self.model.state_dict(keep_vars=True)
        anew = [re.compile(each) for each in self._made_anew]
        return {
            name: value
            for name, value in state.items()
            if value.is_floating_point() and not any(each.search(name) for each in anew)
        }

    @property
    def _made_anew(self) -> Iterable[str]:
        """Patterns of names that the class leaves out when it saves, and makes when it loads."""
        return getattr(self.model, "_keys_to_ignore_on_save", None) or ()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of everything the twin's state holds."""
        return {name: tuple(value.shape) for name, value in self.model.state_dict().items()}

    @property
    def real_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of everything the real model's state holds."""
        return {name: tuple(value.shape) for name, value in self.real.state_dict().items()}


def make_twin(config: PreTrainedConfig, kind: type[PreTrainedModel], seed: int = 0) -> Twin:
    """The first twin of the model that `kind` makes of `config`.

    Raises: DerivationError, if there is none small enough that answers; FamilyError, if no input
    is known for it.
    """
    return next(twins(config, kind, seed))


def twins(config: PreTrainedConfig, kind: type[PreTrainedModel], seed: int = 0) -> Iterator[Twin]:
    """Twins of the model that `kind` makes of `config`, the one that separates sizes best first.

    Those with few layers come first, then such with all of them (whose numbers alone may tell the
    kinds of layers in a stage apart), then such that lack a kind. Raises: as `make_twin`, if there
    is none at all.
    """
    try:
        real = on_meta(kind, config)
    except Exception as error:  # each class refuses in its own way
        raise DerivationError(
            f"no {kind.__name__} can be built of its configuration",
            found=f"{type(error).__name__}: {error}",
        ) from error
    search = _Search(config, kind, real)
    for smaller in search.smaller():
        try:
            twin = _filled(kind, smaller, real, seed)
        except FamilyError as error:
            search.problem, search.failure = error, str(error.found)
        except Exception as error:  # each class refuses in its own way
            search.failure = f"{type(error).__name__}: {error}"
        else:
            search.found += 1
            yield twin
    if search.found:
        return
    if search.problem is not None:
        raise search.problem
    raise DerivationError(
        f"no small model stands for this {kind.__name__}",
        found=search.failure.splitlines()[0][:300] if search.failure else None,
        hint="write a spec by hand: docs/spec.md",
    )


@dataclass
class _Search:
    """The configurations that come into question for a twin.

    failure: why the last one did not do. problem: the last refusal of all inputs. found: twins.
    """

    config: PreTrainedConfig
    kind: type[PreTrainedModel]
    real: PreTrainedModel
    failure: str = "it cannot be made smaller"
    problem: FamilyError | None = None
    found: int = 0
    tried: list[dict[str, Any]] = field(default_factory=list)
    lacking: list[PreTrainedConfig] = field(default_factory=list)

    def smaller(self) -> Iterator[PreTrainedConfig]:
        """Configurations of small models, the likeliest first, each once."""
        depths = _depths(self.config)
        for narrow in NARROWER:
            yield from self._of(narrow, depths)
        if is_staged(self.config):
            for narrow in NARROWER:
                yield from self._of(narrow, [depth_of(self.config)])
        yield from self.lacking

    def _of(self, narrow: Narrow, depths: Sequence[int]) -> Iterator[PreTrainedConfig]:
        """The shallowest that `narrow` makes which has every kind of layer, if it is small."""
        listed = any(EXPERT.search(name) for name, _ in self.real.named_parameters())
        for depth in depths:
            refuse_delay()
            try:
                smaller = narrow(shallow(self.config, depth))
                if listed:
                    as_many_experts(smaller, self.config)
                bones = on_meta(self.kind, smaller)
            except Exception as error:  # each class refuses in its own way
                self.failure = f"{type(error).__name__}: {error}"
                return
            if parameters(bones) > LARGEST:
                self.failure = f"the smallest that was tried has {parameters(bones):,} parameters"
                return
            if kinds(bones) == kinds(self.real):
                yield from self._once(smaller)
                return
            self.failure = "no smaller one has every kind of layer"
            if depth >= depth_of(self.config):
                self.lacking.append(smaller)
                return

    def _once(self, config: PreTrainedConfig) -> Iterator[PreTrainedConfig]:
        said = config.to_dict()
        if said not in self.tried:
            self.tried.append(said)
            yield config


def _depths(config: PreTrainedConfig) -> list[int]:
    least = min(indexed(config), depth_of(config))
    return [depth for depth in DEPTHS if depth >= least] or [least]


def on_meta(kind: type[PreTrainedModel], config: PreTrainedConfig) -> PreTrainedModel:
    """A model without memory for its weights."""
    with torch.device("meta"):
        return kind(copy.deepcopy(config)).eval()


def parameters(model: nn.Module) -> int:
    """How many numbers its parameters hold; tied ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _filled(
    kind: type[PreTrainedModel], config: PreTrainedConfig, real: PreTrainedModel, seed: int
) -> Twin:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(copy.deepcopy(config)).eval()
    plain(model)
    model = generic(shaken(model, seed).double().eval(), seed)
    inputs = probe_inputs(model, seed=seed)
    settle(model, inputs)
    return Twin(model, inputs, real, model.config, real.config, parameters(model))


def tied_in(model: nn.Module) -> dict[str, str]:
    """Second names of tensors, each with the first."""
    said = getattr(model, "all_tied_weights_keys", None)
    if said is not None:
        return dict(said)
    first: dict[int, str] = {}
    state = model.state_dict(keep_vars=True)
    return {n: o for n, v in state.items() if (o := first.setdefault(id(v), n)) != n}
