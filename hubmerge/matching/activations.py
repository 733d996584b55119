"""Activation matching: units that fire together on the same images are the same unit."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from hubmerge.errors import SpecError
from hubmerge.matching.assignment import assign_nested
from hubmerge.matching.moments import Moments
from hubmerge.matching.registry import matcher
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.matching.similarity import matched_entries
from hubmerge.spec.notation import Segment
from hubmerge.spec.permutation import State, identity, positions
from hubmerge.spec.spec import Spec


@matcher("activations", source="arXiv:2209.04836, section 3.1", needs_data=True)
def match_activations(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    moments: Moments | None = None,
    seed: int = 0,
) -> Match:
    """One assignment per space on the correlation of its activations over calibration images.

    A space that can be watched in several places (the residual stream, after every block) is
    matched on the mean of their correlations. Only `moments` is looked at.

    Raises: ValueError without moments; SpecError if a free space is watched nowhere.
    """
    if moments is None:
        raise ValueError("activation matching needs the moments of both models' activations")
    similarities = mean_correlations(spec, moments)
    permutation: dict[str, Tensor] = {}
    for group in spec.groups:
        members = {name: similarities[name] for name in group.members if name in similarities}
        seen = {outer for name in members for outer in (name, *spec.ancestors(name))}
        unseen = [name for name in group.members if name not in seen]
        if unseen:
            raise SpecError(
                f"{unseen[0]} is watched nowhere",
                source=spec.source,
                hint='add a line under [watch], such as "mlp.fc2 ->" = "* * ff"',
            )
        permutation |= assign_nested(spec, group.root, members)
    untouched = identity(spec)
    correlations = {}
    for name in spec.free_spaces():
        as_given = {**permutation, name: untouched[name]}
        correlations[name] = (
            _mean_correlation(spec, name, similarities, permutation),
            _mean_correlation(spec, name, similarities, as_given),
        )
    spaces = describe_spaces(spec, permutation, correlations)
    return Match("activations", spec, permutation, f"matched on {moments.images} images", spaces)


def mean_correlations(spec: Spec, moments: Moments) -> dict[str, Tensor]:
    """[outer..., n, outer..., n] per watched free space: mean over the places it is watched in.

    A stretch that composes a space with those inside it speaks for the innermost one; along
    anything else it is composed with (pixels of a channel), units are compared place by place. A
    stretch of two spaces of which neither lies within the other speaks for none.
    """
    total: dict[str, Tensor] = {}
    count: dict[str, int] = {}
    free = spec.free_spaces()
    for watch, correlation in moments.correlations.items():
        for segment in watch.layout.segments[watch.axis]:
            names = [name for name in segment.names if name in free]
            if not names or not {*names[:-1]} <= {*spec.ancestors(names[-1])}:
                continue
            space = names[-1]
            block = _place_by_place(spec, correlation, segment, space)
            total[space] = total[space] + block if space in total else block
            count[space] = count.get(space, 0) + 1
    return {name: values / count[name] for name, values in total.items()}


def _place_by_place(spec: Spec, correlation: Tensor, segment: Segment, space: str) -> Tensor:
    """[outer..., n, outer..., n] from the stretch of [units, units] that `segment` covers."""
    index = positions(segment).flatten()
    wanted = [segment.names.index(name) for name in (*spec.ancestors(space), space)]
    rest = [k for k in range(len(segment.grids)) if k not in wanted]
    order, half = [*wanted, *rest], len(segment.grids)
    block = correlation[index][:, index].reshape(*segment.shape, *segment.shape)
    block = block.permute(*order, *(half + k for k in order))
    shape = spec.index_shape(space)
    block = block.reshape(*shape, -1, *shape, prod(segment.shape) // prod(shape))
    return block.diagonal(dim1=len(shape), dim2=-1).mean(-1)


def _mean_correlation(
    spec: Spec, space: str, similarities: dict[str, Tensor], permutation: dict[str, Tensor]
) -> float:
    if space in similarities:
        return float(matched_entries(spec, space, similarities[space], permutation).mean())
    inside = [name for name in similarities if space in spec.ancestors(name)]
    means = [matched_entries(spec, name, similarities[name], permutation).mean() for name in inside]
    return float(torch.stack(means).mean())
