"""Matching two modules of any one class, by a spec that is derived of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hubmerge.derivation.derive import Derived
from hubmerge.derivation.modules import by_name, derive_module
from hubmerge.errors import LawError, MismatchError, RecipeError
from hubmerge.matching import find_matcher, learners
from hubmerge.matching.registry import NOTHING
from hubmerge.matching.result import Match
from hubmerge.symmetry.laws import TOLERANCE, deviation, outputs
from hubmerge.utils.shown import Shown


@dataclass(frozen=True, repr=False)
class ModuleMatch(Shown):
    """What was found: `state` is for `b.load_state_dict`; `match` says how well, `derived` by what.

    state: B's tensors with its units in A's order, in their own dtypes; B's function is the same.
    """

    match: Match
    derived: Derived
    state: dict[str, Tensor]
    text_by = "hubmerge.matching.modules:module_match_text"


def module_match_text(found: ModuleMatch) -> str:
    """What was found, a line per space."""
    from hubmerge.matching.text import match_text

    return f"spec: {found.derived.summary}\n{match_text(found.match)}"


def match_modules(
    a: nn.Module, b: nn.Module, inputs: Any, by: str = "weights", seed: int = 0
) -> ModuleMatch:
    """Finds the order of B's units that aligns it with A.

    Parameters:
        a, b: of one class, with tensors of the same names and shapes.
        inputs: an example of what their forward takes: a tensor, several in order, or by name. Two
            rows are enough; their values decide nothing.
        by: a matcher that looks at weights alone.
        seed: of everything random.

    Raises: MismatchError, if they are not alike; DerivationError, if nothing of them may be
    reordered; RecipeError, for a matcher that looks at activations; LawError; ResourceError.
    """
    states = [each.state_dict() for each in (a, b)]
    shapes = [{name: tuple(value.shape) for name, value in state.items()} for state in states]
    if type(a) is not type(b) or shapes[0] != shapes[1]:
        odd = sorted(set(shapes[0].items()) ^ set(shapes[1].items()))[:4]
        raise MismatchError(
            "the modules are not alike",
            found=f"{type(a).__name__} and {type(b).__name__}; "
            + ", ".join(f"{name} {list(shape)}" for name, shape in odd),
        )
    matcher = None if by in learners() else find_matcher(by)
    if matcher is None or matcher.looks_at != NOTHING:
        raise RecipeError(
            f"modules cannot be matched by {by!r}",
            found="it looks at activations of models of transformers",
            hint='by="weights" looks at nothing but weights',
        )
    example = by_name(a, inputs)
    derived = derive_module(a, example, seed)
    spec = derived.spec.permutations_only
    with torch.no_grad():
        found = matcher.function(spec, *states, seed=seed)
        aligned = found.apply(states[1])
    _refuse_moved(b, aligned, example)
    return ModuleMatch(found, derived, {n: aligned[n].to(v.dtype) for n, v in states[1].items()})


def _refuse_moved(model: nn.Module, state: dict[str, Tensor], inputs: dict[str, Tensor]) -> None:
    """Raises: LawError, if the aligned module computes something else."""
    precise = copy.deepcopy(model).double().eval()
    given = {n: v.double() if v.is_floating_point() else v for n, v in inputs.items()}
    moved = {n: v.double() if v.is_floating_point() else v for n, v in state.items()}
    before, after = (outputs(precise, each, given) for each in (precise.state_dict(), moved))
    found = deviation(before, after)
    if found > TOLERANCE:
        raise LawError(
            f"aligning this {type(model).__name__} moves its outputs by {found:.1e} of their size",
            hint="it does more than its class shows on the example inputs; please report it",
        )
