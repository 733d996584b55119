"""Lines of a family: which tensors they cover, and what they say of their axes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hubmerge.errors import SpecError
from hubmerge.specs.draft.coverage import nearest
from hubmerge.specs.draft.state import Draft
from hubmerge.specs.nesting import composed_with_itself
from hubmerge.specs.notation import SAMPLES, Axis, parse, short
from hubmerge.specs.sizes import Line
from hubmerge.specs.tables import Scope


def claim(
    draft: Draft,
    table: Mapping[str, str],
    prefix: str,
    names: Mapping[str, str],
    scope: Scope,
    *,
    buffers: bool,
) -> None:
    """Lets the lines of one table cover the tensors they name below `prefix`."""
    for key, text in table.items():
        tensor = ".".join(filter(None, (prefix, key.removesuffix("?"))))
        source = draft.family.where("buffer" if buffers else "param", key, scope)
        if tensor not in draft.shapes:
            if key.endswith("?"):
                words = re.findall(r"[A-Za-z_]\w*", text)
                draft.mentioned |= {names.get(word, word) for word in words}
                continue
            raise SpecError(
                f'the line "{key}" matches nothing',
                found=f"the model has no tensor {tensor}",
                source=source,
                hint=f'write "{key}?" if it may be absent'
                + nearest(tensor, [name for name in draft.shapes if name not in draft.lines]),
            )
        if tensor in draft.lines:
            taken = draft.lines[tensor]
            raise SpecError(
                f'{tensor} {list(draft.shapes[tensor])} is claimed twice, as "{text}" here',
                found=f'"{taken.text}" in {taken.source}',
                source=source,
                hint="leave one of the two lines",
            )
        draft.lines[tensor] = _line(draft, tensor, text, names, source)
        if buffers:
            draft.buffers.add(tensor)


def _line(draft: Draft, tensor: str, text: str, names: Mapping[str, str], source: str) -> Line:
    shape = list(draft.shapes[tensor])
    axes = read_axes(draft, text, f'{tensor} {shape} is "{text}"', names, source)
    if any(SAMPLES in axis.names() for axis in axes):
        raise SpecError(
            f'{tensor} {shape} is "{text}"',
            found="* stands for observations, which only activations have",
            source=source,
            hint="name the axis; * belongs under [watch]",
        )
    if len(axes) != len(shape):
        raise SpecError(
            f'{tensor} does not fit "{text}"',
            found=f"{len(axes)} axes are named, the tensor has {len(shape)}: {shape}",
            source=source,
            hint="one name, number or ( ) for every axis, in the tensor's order",
        )
    check_single(draft, f'{tensor} {shape} is "{text}"', axes, source)
    return Line(text, axes, source)


def check_single(draft: Draft, what: str, axes: tuple[Axis, ...], source: str) -> None:
    """A free space runs once along a tensor, but for parts laid end to end on one axis, and for
    two whole axes ("resid resid"), which go together.
    """
    seen: dict[str, int] = {}
    for number, axis in enumerate(axes):
        for name in dict.fromkeys(axis.names()):
            if draft.spaces[name].fixed:
                continue
            if name in seen and axis.name == axes[seen[name]].name == name:
                continue
            if name in seen or composed_with_itself(axis, name):
                where = f"axes {seen.get(name, number)} and {number}"
                raise SpecError(
                    what,
                    found=f"{short(name)!r} twice, on "
                    + (where if name in seen else f"axis {number}"),
                    source=source,
                    hint="one permutation runs once along a tensor: give the two names of "
                    "their own, or make the space fixed",
                )
            seen[name] = number


def read_axes(
    draft: Draft, text: str, what: str, names: Mapping[str, str], source: str
) -> tuple[Axis, ...]:
    """The axes of `text` under their full names, all of them declared."""
    try:
        axes = parse(text)
    except SpecError as error:
        raise SpecError(error.what, found=error.found, source=source, hint=error.hint) from error
    for axis in axes:
        for name in axis.names():
            if name != SAMPLES and names.get(name, name) not in draft.spaces:
                raise undeclared(draft, name, what, source, names)
    return tuple(axis.rename(names) for axis in axes)


def undeclared(
    draft: Draft, name: str, what: str, source: str, names: Mapping[str, str]
) -> SpecError:
    return SpecError(
        what,
        found=f"no space {name!r} is declared",
        source=source,
        hint="declare it under [space], [fixed] or the block" + nearest(name, list(names)),
    )
