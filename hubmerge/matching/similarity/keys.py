"""Two spaces within one, composed on one axis: the queries of a group, and the inside of each.

A stretch "(kv q rot)" has units whose order is free (`q`) and, inside each of them, the one map
that all share (`rot`). What it says about both cannot be said of either alone. So its similarities
[kv, q, n, kv, q, n] are kept under both names, "q rot", beside those of `rot` [kv, n, kv, n] from
the tensors that hold it alone (keys). Everything here calls such a name, or that of one space, a
key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor

from hubmerge.specs.spec import PERMUTE, TWO_SIDED, Group, Spec


def innermost(key: str) -> str:
    """The last space of a key: the one that is mapped, of two."""
    return key.rpartition(" ")[2]


def outermost(key: str) -> str:
    """The first space of a key: the one that is reordered, of two."""
    return key.partition(" ")[0]


def is_couple(key: str) -> bool:
    """Whether a key names two spaces."""
    return " " in key


def names_along(spec: Spec, key: str) -> tuple[str, ...]:
    """The spaces a similarity of `key` runs along, outermost first."""
    return (*spec.ancestors(outermost(key)), *key.split(" "))


def shape_of(spec: Spec, key: str) -> tuple[int, ...]:
    """Their sizes: half the shape of the similarity."""
    return tuple(spec.sizes[name] for name in names_along(spec, key))


def couple_on(spec: Spec, names: Sequence[str | None]) -> str | None:
    """The key of the two spaces that a stretch composed of `names` speaks for at once, if any."""
    free = [name for name in names if name is not None and name in spec.free_spaces()]
    for outer, inner in pairwise(free):
        within = spec.spaces[inner].within
        if (
            spec.spaces[inner].may in TWO_SIDED
            and spec.spaces[outer].may == PERMUTE
            and within in free
            and within == spec.spaces[outer].within
            and not any(space.within == outer for space in spec.spaces.values())
            and {*free} == {outer, inner, *spec.ancestors(inner)}
        ):
            return f"{outer} {inner}"
    return None


def couples(spec: Spec, group: Group) -> list[str]:
    """The keys of all couples in `group`: at most one for every space that is mapped."""
    found: dict[str, str] = {}
    for inner in group.members:
        if spec.spaces[inner].may not in TWO_SIDED:
            continue
        for tensor in spec.touched_by[inner]:
            for segments in spec.tensors[tensor].segments:
                keys = (couple_on(spec, segment.names) for segment in segments)
                for key in filter(None, keys):
                    found.setdefault(innermost(key), key)
    return list(found.values())


def belonging(group: Group, similarities: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of `similarities` that speak for members of `group`, in the order of its members."""
    keys = sorted(similarities, key=is_couple)
    return {
        key: similarities[key] for name in group.members for key in keys if innermost(key) == name
    }


def spread(key: str, matrix: Tensor) -> Tensor:
    """A map of the innermost space [outer..., n, n] with the axes of `key` in front."""
    return matrix.unsqueeze(-3) if is_couple(key) else matrix


def seen_through(key: str, values: Tensor, matrix: Tensor) -> Tensor:
    """What a couple says of its outer space once the inner one's map is known.

    values: [outer..., m, n, outer..., m, n]. matrix: [outer..., n, n]. Returns
    [outer..., m, outer..., m].
    """
    half = values.ndim // 2
    pairs = values.movedim(half - 1, -2)
    across = spread(key, matrix)
    across = across.reshape(*across.shape[:-2], *[1] * (half - 1), *across.shape[-2:])
    return (pairs * across.to(pairs)).sum((-2, -1))
