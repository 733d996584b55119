"""What must hold of a spec's lines so that a space may be rotated or mapped, not only permuted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hubmerge.errors import SpecError
from hubmerge.specs.notation import Axis, short
from hubmerge.specs.sizes import Line
from hubmerge.specs.spec import (
    FLIP,
    PERMUTE,
    ROTARY,
    ROTATE,
    SCALE,
    TWO_SIDED,
    Behind,
    Gate,
    Norm,
    Space,
    weight_of,
)

HOMOGENEOUS = ("relu", "leaky_relu", "linear")
"""Activation functions f, as transformers names them, with f(c x) = c f(x) for every c > 0."""

ODD = ("tanh",)
"""Those with f(-x) = -f(x)."""

MAX_POOL = "max_pool"
"""A spec's name for the largest of a unit's values nearby, which a positive factor passes."""


def kind_through(functions: Iterable[str]) -> str:
    """What a space that would be scaled may be, where its units pass through all `functions`."""
    kinds = {_passing(function) for function in functions}
    return kinds.pop() if len(kinds) == 1 else PERMUTE


def _passing(function: str) -> str:
    if function in (*HOMOGENEOUS, MAX_POOL):
        return SCALE
    return FLIP if function in ODD else PERMUTE


def norm_over(
    module: str, readers: Sequence[str], lines: Mapping[str, Line], centred: bool, source: str
) -> Norm:
    """The norm `module`, over the one space its gain runs along.

    readers: none, where what leaves it is added to something else.

    Raises: SpecError, if it has no gain with one plain axis, or if a reader has no weight that
    runs along the same space.
    """
    gain = lines.get(f"{module}.weight")
    space = gain.axes[0].name if gain and len(gain.axes) == 1 else None
    if space is None:
        raise SpecError(
            f"{module} is no norm",
            found=f'its weight is "{gain.text}"' if gain else "no line covers its weight",
            source=source,
            hint="name a module whose weight is a gain with one axis",
        )
    for reader in readers:
        weight = lines.get(weight_of(reader, lines))
        if weight is None or space not in [axis.name for axis in weight.axes]:
            raise SpecError(
                f"{reader} does not read {module}",
                found=f'its weight is "{weight.text}"' if weight else "no line covers its weight",
                source=source,
                hint=f"name the modules whose weight has an axis {short(space)!r}, and which get "
                "what leaves the norm",
            )
    return Norm(module, space, tuple(readers), centred)


def norm_behind(module: str, writer: str, lines: Mapping[str, Line], source: str) -> Behind:
    """The norm `module`, which takes what `writer` puts out.

    Raises: SpecError, if it has no gain with one plain axis, or if no axis of the writer's weight
    is the same space.
    """
    gain, weight = lines.get(f"{module}.weight"), lines.get(f"{writer}.weight")
    space = gain.axes[0].name if gain and len(gain.axes) == 1 else None
    if space is None or weight is None or space not in [axis.name for axis in weight.axes]:
        shown = " and ".join(f'"{line.text}"' if line else "no line" for line in (gain, weight))
        raise SpecError(
            f"{module} does not stand behind {writer}",
            found=f"the lines of their weights are {shown}",
            source=source,
            hint="name a module whose weight is a gain with one axis, and the layer that writes it",
        )
    return Behind(module, writer, space, f"{module}.running_var" in lines)


def gate_beside(module: str, beside: str, lines: Mapping[str, Line], source: str) -> Gate:
    """The gate `module`, which multiplies what `beside` puts out.

    Raises: SpecError, if their weights do not begin with the same space, and nothing else there.
    """
    weights = [lines.get(f"{name}.weight") for name in (module, beside)]
    spaces = [line.axes[0].name if line and line.axes else None for line in weights]
    if spaces[0] is None or spaces[0] != spaces[1]:
        shown = " and ".join(f'"{line.text}"' if line else "no line" for line in weights)
        raise SpecError(
            f"{module} is no gate beside {beside}",
            found=f"the lines of their weights are {shown}",
            source=source,
            hint="name two layers whose outputs are multiplied: their first axis is one space",
        )
    return Gate(module, beside, spaces[0])


def kind_tied(space: Space, norms: Sequence[Norm], tied: Mapping[str, str]) -> str:
    """What a space that would be rotated may be, where a layer that reads it is `tied`, or where no
    layer alone reads a norm.

    No gain can be folded into a tensor that something else reads as well. What then leaves any gain
    alone is an order of the units and, behind norms that subtract no mean, their signs.
    """
    over = [norm for norm in norms if norm.space == space.name]
    shared = {*tied, *tied.values()}
    stays = any(
        not n.readers or shared.intersection(f"{r}.weight" for r in n.readers) for n in over
    )
    if space.may != ROTATE or not stays:
        return space.may
    return PERMUTE if any(norm.centred for norm in over) else FLIP


def check_mapped(
    spaces: Mapping[str, Space],
    lines: Mapping[str, Line],
    norms: Sequence[Norm],
    declared: Mapping[str, str],
) -> None:
    """Raises: SpecError for a space that says it may be mapped where the lines do not allow it."""
    for space in spaces.values():
        if space.may == PERMUTE:
            continue
        along = [
            axis for line in lines.values() for axis in line.axes if space.name in axis.names()
        ]
        problem = _problem(space, spaces, along, norms) or _square(space, lines)
        if problem is not None:
            found, hint = problem
            raise SpecError(
                f"space {short(space.name)!r} may {space.may!r}",
                found=found,
                source=declared[space.name],
                hint=hint,
            )


def _square(space: Space, lines: Mapping[str, Line]) -> tuple[str, str] | None:
    """What is wrong if it runs along two axes of one tensor."""
    for tensor, line in lines.items():
        if [axis.name for axis in line.axes].count(space.name) > 1:
            return (
                f'it runs twice along {tensor}, "{line.text}"',
                "what runs along two axes of one tensor may only be permuted",
            )
    return None


def _problem(
    space: Space, spaces: Mapping[str, Space], along: Iterable[Axis], norms: Sequence[Norm]
) -> tuple[str, str] | None:
    over = [norm for norm in norms if norm.space == space.name]
    if space.may == ROTATE and (not over or len({norm.centred for norm in over}) > 1):
        kinds = "both LayerNorms and RMSNorms stand over it" if over else "no norm stands over it"
        return kinds, "name all norms that read it under [layernorm], or under [rmsnorm]"
    signed = space.may == FLIP and any(norm.centred for norm in over)
    if (space.may in (*TWO_SIDED, SCALE) and over) or signed:
        return f"{over[0].module} stands over it", 'behind a norm a space may only "rotate"'
    if space.may == ROTARY and space.size % 2:
        return f"its size is {space.size}", "rotary positions turn pairs of units"
    if space.may in (SCALE, FLIP) and space.within:
        return f"it lies within {short(space.within)!r}", 'inside another space: "linear"'
    if any(inner.within == space.name for inner in spaces.values()):
        return "other spaces lie within it", "only the innermost spaces may be mapped"
    outer = space.within
    if outer and any(outer not in axis.names() for axis in along):
        return f"{short(outer)!r} stands on another axis", f"compose them: ({short(outer)} ...)"
    return None
