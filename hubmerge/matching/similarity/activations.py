"""How alike the units of two models are by their activations: one matrix per space.

From the moments seen at every watched place to what is matched on: means over the places where a
space can be seen, unit by unit for spaces that are permuted, covariances for those that are mapped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from torch import Tensor

from hubmerge.matching.similarity.joint import Joint
from hubmerge.matching.similarity.kept_moments import KeptMoments
from hubmerge.matching.similarity.keys import (
    couple_on,
    innermost,
    is_couple,
    names_along,
    seen_through,
    shape_of,
    spread,
)
from hubmerge.matching.similarity.matched import inner_product, matched_entries
from hubmerge.matching.similarity.moments import Moments
from hubmerge.specs.notation import Segment
from hubmerge.specs.spec import FLIP, LINEAR, ROTATE, TWO_SIDED, ObservedModule, Spec
from hubmerge.symmetry.balance import UNBALANCED, Balance
from hubmerge.symmetry.canonical import canonical_form
from hubmerge.symmetry.element import Maps, Symmetry, dual_of
from hubmerge.symmetry.on_demand import OnDemand
from hubmerge.symmetry.permutation import State, identity, positions

Similarities = Mapping[str, Tensor]
"""Space, or couple -> [outer..., n, outer..., n], rows the anchor's."""

Measure = Callable[[Joint], Tensor]
"""What of the moments at a watch says how alike units are: [units, units], larger is more."""


def correlation(joint: Joint) -> Tensor:
    """Pearson's correlation."""
    return joint.correlation


def similarities_of(
    spec: Spec,
    moments: Moments,
    anchor: State,
    other: State,
    measure: Measure = correlation,
) -> Similarities:
    """[outer..., n, outer..., n] per watched free space, rows the anchor's: what is matched on.

    measure: for spaces that are permuted. The states only say how mapped spaces are balanced.
    Where moments are kept on disk and nothing is mapped, each is made as it is asked for.
    """
    if isinstance(moments.joint, KeptMoments) and not spec.mapped_spaces():
        return _as_asked_for(spec, moments, measure)
    similarities = mean_similarities(spec, moments, measure)
    kinds = spec.mapped_spaces()
    if FLIP in kinds.values():  # signs are matched, too
        signs = mean_correlations(spec, moments)
        similarities |= {name: signs[name] for name, kind in kinds.items() if kind == FLIP}
    if {ROTATE, *TWO_SIDED} & set(kinds.values()):
        forms = (canonical_form(spec, anchor), canonical_form(spec, other))
        similarities |= mapped_similarities(spec, moments, forms[0].maps, forms[1].maps)
    return similarities


def mapped_similarities(
    spec: Spec, moments: Moments, ours: Maps, theirs: Maps
) -> dict[str, Tensor]:
    """[outer..., n, outer..., n] per space that is mapped, or couple: mean products, power aside.

    ours, theirs: the maps that balanced both models, which their activations follow. At every
    place the products count as a share of the largest they could be. Those of a rotated space are
    about 0, as its norms see them; so are those of a rotary one, where what is constant is turned
    by positions like all else, and says how far away a head looks. Those of a linear space are
    about the means.
    """
    kinds = {space: kind for space, kind in spec.mapped_spaces().items() if kind != FLIP}
    total: dict[str, Tensor] = {}
    count: dict[str, int] = {}
    for watch, joint in moments.joint.items():
        for segment in watch.layout.segments[watch.axis]:
            space = _speaks_for(spec, segment)
            mapped = innermost(space or "")
            if space is None or mapped not in kinds:
                continue
            centred = kinds[mapped] == LINEAR
            products = joint.covariance if centred else joint.product
            block = _place_by_place(spec, products, segment, space)
            powers = [1.0, 1.0]  # what a norm lets through has length 1
            if mapped in ours and joint.own is not None:
                dual = next(grid.dual for grid in segment.grids if grid.name == mapped)
                shape = shape_of(spec, space)
                sides = [
                    spread(
                        space, dual_of(spec, mapped, maps[mapped]) if dual else maps[mapped]
                    ).expand(*shape, shape[-1])
                    for maps in (ours, theirs)
                ]
                block = _mapped(block, *sides)
                powers = [
                    _power(_mapped(_place_by_place(spec, own, segment, space), side, side))
                    for own, side in zip(
                        joint.own if centred else joint.own_products, sides, strict=True
                    )
                ]
            power = math.sqrt(math.prod(powers))
            block = block / power if power > 0 else block
            total[space] = total[space] + block if space in total else block
            count[space] = count.get(space, 0) + 1
    return {name: values / count[name] for name, values in total.items()}


def _power(covariance: Tensor) -> float:
    """The units' summed variance, from their covariance [outer..., n, outer..., n]."""
    size = covariance.shape[: covariance.ndim // 2].numel()
    return float(covariance.reshape(size, size).diagonal().sum())


def _mapped(block: Tensor, ours: Tensor, theirs: Tensor) -> Tensor:
    """A covariance [outer..., n, outer..., n] after both sides' units have been mapped."""
    depth = ours.ndim - 2
    pairs = block.movedim(depth, -2)  # [outer..., outer..., n, n]
    left = ours.reshape(*ours.shape[:depth], *[1] * depth, *ours.shape[depth:])
    pairs = left @ pairs @ theirs.mT
    return pairs.movedim(-2, depth)


def matched_correlations(
    spec: Spec,
    similarities: Mapping[str, Tensor],
    symmetry: Symmetry,
    balance: Balance = UNBALANCED,
) -> dict[str, tuple[float, float]]:
    """Space -> mean correlation as matched, and in the order (or turn) the space came in.

    balance: of the two models, whose forms `similarities` compare.
    """
    untouched = identity(spec)
    found = {}
    for name in spec.free_spaces():
        as_given = {n: untouched[n] if n == name else p for n, p in symmetry.permutation.items()}
        if name in symmetry.maps:
            still = balance.as_given(spec, name, symmetry.permutation)
            unmapped = Symmetry(as_given, {name: still})
        else:
            unmapped = Symmetry(as_given, symmetry.maps)
        found[name] = (
            _mean_correlation(spec, name, similarities, symmetry),
            _mean_correlation(spec, name, similarities, unmapped),
        )
    return found


def mean_correlations(spec: Spec, moments: Moments) -> dict[str, Tensor]:
    """`mean_similarities` of correlations."""
    return mean_similarities(spec, moments, correlation)


def mean_similarities(spec: Spec, moments: Moments, measure: Measure) -> dict[str, Tensor]:
    """[outer..., n, outer..., n] per watched free space: mean over the places it is watched in.

    A stretch that composes a space with those inside it speaks for the innermost one; along
    anything else it is composed with (pixels of a channel), units are compared place by place. A
    stretch of two spaces of which neither lies within the other speaks for a couple, or for none.
    """
    total: dict[str, Tensor] = {}
    count: dict[str, int] = {}
    for watch, joint in moments.joint.items():
        alike = measure(joint)
        for segment in watch.layout.segments[watch.axis]:
            space = _speaks_for(spec, segment)
            if space is None:
                continue
            block = _place_by_place(spec, alike, segment, space)
            total[space] = total[space] + block if space in total else block
            count[space] = count.get(space, 0) + 1
    return {name: values / count[name] for name, values in total.items()}


def _as_asked_for(spec: Spec, moments: Moments, measure: Measure) -> OnDemand:
    """`mean_similarities`, each made when it is asked for."""
    places: dict[str, list[tuple[ObservedModule, Segment]]] = {}
    for watch in moments.joint:
        for segment in watch.layout.segments[watch.axis]:
            space = _speaks_for(spec, segment)
            if space is not None:
                places.setdefault(space, []).append((watch, segment))

    def mean(space: str) -> Tensor:
        total: Tensor | None = None
        for watch, segment in places[space]:
            block = _place_by_place(spec, measure(moments.joint[watch]), segment, space)
            total = block if total is None else total + block
        assert total is not None
        return total / len(places[space])

    return OnDemand([*places], mean)


def _speaks_for(spec: Spec, segment: Segment) -> str | None:
    """The free space, or couple, a stretch of watched units says something about."""
    names = [name for name in segment.names if name is not None and name in spec.free_spaces()]
    if names and {*names[:-1]} <= {*spec.ancestors(names[-1])}:
        return names[-1]
    return couple_on(spec, names)


def _place_by_place(spec: Spec, alike: Tensor, segment: Segment, space: str) -> Tensor:
    """[outer..., n, outer..., n] from the stretch of [units, units] that `segment` covers."""
    index = positions(segment).flatten()
    wanted = [segment.names.index(name) for name in names_along(spec, space)]
    rest = [k for k in range(len(segment.grids)) if k not in wanted]
    order, half = [*wanted, *rest], len(segment.grids)
    block = alike[index][:, index].reshape(*segment.shape, *segment.shape)
    block = block.permute(*order, *(half + k for k in order))
    shape = shape_of(spec, space)
    block = block.reshape(*shape, -1, *shape, math.prod(segment.shape) // math.prod(shape))
    return block.diagonal(dim1=len(shape), dim2=-1).mean(-1)


def _mean_correlation(
    spec: Spec, space: str, similarities: Mapping[str, Tensor], symmetry: Symmetry
) -> float:
    """Of the space itself, or of what lies inside it or is coupled to it."""
    if space in symmetry.maps:
        speak = [key for key in similarities if innermost(key) == space]
        products = (inner_product(spec, similarities, symmetry, key) for key in speak)
        total = sum(float(each.sum()) for each in products) / len(speak)
        return total / spec.sizes[space] if spec.spaces[space].may == FLIP else total
    if space in similarities:
        entries = matched_entries(spec, space, similarities[space], symmetry.permutation)
        return float(entries.mean())
    inside = [key for key in similarities if space in names_along(spec, key)[:-1]]
    inside = [*dict.fromkeys(map(innermost, inside))]
    means = [_mean_correlation(spec, name, similarities, symmetry) for name in inside]
    return sum(means) / len(means)


def with_coupled(
    spec: Spec, similarities: Mapping[str, Tensor], symmetry: Symmetry
) -> dict[str, Tensor]:
    """`similarities` with those of spaces that only couples speak for, seen through the maps.

    The mean over the couples of a space.
    """
    found: dict[str, list[Tensor]] = {}
    for key, values in similarities.items():
        outer, inner = key.split(" ") if is_couple(key) else ("", key)
        if outer and outer not in similarities and inner in symmetry.maps:
            found.setdefault(outer, []).append(seen_through(key, values, symmetry.maps[inner]))
    means = {name: sum(each[1:], each[0]) / len(each) for name, each in found.items()}
    return {**similarities, **means}
