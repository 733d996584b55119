"""The spaces of a family: declared, each with what may be done to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hubmerge.errors import SpecError
from hubmerge.specs.config_fields import field_of, size_of
from hubmerge.specs.draft.coverage import nearest
from hubmerge.specs.draft.lines import undeclared
from hubmerge.specs.draft.state import Draft
from hubmerge.specs.map_rules import MAX_POOL, kind_through
from hubmerge.specs.notation import short
from hubmerge.specs.spec import KINDS, PERMUTE, SCALE, Space
from hubmerge.specs.tables import Scope, SpaceLine


def declare(
    draft: Draft,
    table: Mapping[str, str | int | SpaceLine],
    names: Mapping[str, str],
    scope: Scope,
    *,
    fixed: bool,
) -> None:
    """Adds the spaces of one table, under the names `names` gives them here."""
    for local, given in table.items():
        line = given if isinstance(given, SpaceLine) else SpaceLine(size=given)
        source = draft.family.where("fixed" if fixed else "space", local, scope)
        within = None
        if line.within is not None:
            within = _outer(draft, local, line.within, names, source, fixed=fixed)
        may = kind_of(draft, local, line.may, line.through, source)
        add_space(draft, names.get(local, local), source, within=within, fixed=fixed, may=may)
        full = names.get(local, local)
        draft.spaces[full] = replace(draft.spaces[full], seen=line.seen)
        if line.may == SCALE:
            draft.scaled.add(names.get(local, local))
        size = None if line.size is None else _given_size(draft, local, line.size, source)
        if size is not None:
            draft.known[names.get(local, local)] = size


def kind_of(
    draft: Draft, local: str, may: str | None, through: str | tuple[str, ...] | None, source: str
) -> str:
    """What may be done to the space `local`, given all that its units go through."""
    if may is not None and may not in KINDS:
        raise SpecError(
            f"space {local!r} may {may!r}",
            found=f"kinds: {', '.join(KINDS)}",
            source=source,
            hint="see docs/spec.md" + nearest(may, KINDS),
        )
    if through is None:
        return may or PERMUTE
    functions = []
    for name in (through,) if isinstance(through, str) else through:
        function = name if name == MAX_POOL else field_of(draft.config, name)
        if may != SCALE or not isinstance(function, str):
            raise SpecError(
                f"space {local!r} may {may!r} through {name!r}",
                found=f"{name} = {function!r}",
                source=source,
                hint='only what may "scale" goes through a configuration field that names an '
                f'activation function, or through "{MAX_POOL}"',
            )
        functions.append(function)
    return kind_through(functions)


def add_space(
    draft: Draft,
    name: str,
    source: str,
    *,
    within: str | None = None,
    fixed: bool = False,
    may: str = PERMUTE,
) -> None:
    """Adds one space under its full name. Raises SpecError if there is one already."""
    if name in draft.spaces:
        raise SpecError(
            f"space {short(name)!r} is declared twice",
            found=f"the first time in {draft.declared[name]}",
            source=source,
            hint="leave one of the two lines, or rename one",
        )
    draft.spaces[name] = Space(name, 0, within, fixed, may)
    draft.declared[name] = source


def _outer(
    draft: Draft, local: str, within: str, names: Mapping[str, str], source: str, *, fixed: bool
) -> str:
    """Full name of the space that `local` lies within."""
    outer = names.get(within, within)
    if fixed:
        raise SpecError(
            f"{local} is fixed and lies within {within!r}",
            source=source,
            hint="leave `within` away: what is never permuted needs no place to be permuted in",
        )
    if outer not in draft.spaces:
        error = undeclared(draft, within, f"{local} lies within {within!r}", source, names)
        raise SpecError(
            error.what,
            found=error.found,
            source=error.source,
            hint=f"{error.hint}; the outer space stands above the inner one",
        )
    return outer


def _given_size(draft: Draft, name: str, size: str | int, source: str) -> int | None:
    """None, where the configuration need not say it, and does not."""
    try:
        value = size if isinstance(size, int) else size_of(draft.config, size)
    except ValueError as error:
        value, said = 0, str(error)
    else:
        said = f"{size} = {value!r}"
    if value is not None and value < 1:
        raise SpecError(
            f"space {name!r} takes its size from the configuration field {size!r}"
            if isinstance(size, str)
            else f"space {name!r} has size {size}",
            found=said,
            source=source,
            hint="name a field that holds a number, with ? at its end if it may be absent, "
            "or {} to infer the size from the tensors",
        )
    return value
