"""Where spaces can be seen at work: what entered and left modules in the trace."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hubmerge.derivation.axes import Expression, expression_of, leaves
from hubmerge.derivation.sheet import Part, Sheet
from hubmerge.derivation.trace import Seen, Trace


def watch(sheet: Sheet, found: Trace) -> None:
    """Fills in [watch]: what enters norms and readers, and what leaves the writers of the rest.

    A module that does not run in every copy of its block, or twice with other axes, is left out.
    Spaces that no module shows are marked.
    """
    for part in sheet.parts:
        places = [(each, local) for each in found.seen if (local := _local(part, sheet, each))]
        for entering in (True, False):
            for each, local in places:
                if each.entering == entering:
                    _add(part, each, local, found, entering)
    everywhere = {n for part in sheet.parts for text in part.watch.values() for n in _words(text)}
    for part in sheet.parts:
        here = {n for text in part.watch.values() for n in _words(text)}
        for name, entry in part.spaces.items():
            entry.seen = name in (everywhere if part is sheet.shared else here)


def _add(part: Part, seen: Seen, local: str, found: Trace, entering: bool) -> None:
    if f"{local}.weight" in part.optional or f"{local}.weight" not in part.lines:
        return
    key = f"-> {local}" if entering else f"{local} ->"
    if key in part.watch:
        return
    axes = [expression_of(term) for term in seen.dims]
    units = [n for n, axis in enumerate(axes) if any(leaf.why is None for leaf in leaves(axis))]
    if len(units) != 1:
        return
    names = [part.names.get(leaf.key) for leaf in leaves(axes[units[0]])]
    spaces = {**part.spaces}
    free = [name for name in names if name is not None and not name.isdigit()]
    if None in names or not free or len(set(free)) != len(free):
        return
    watched = {name for text in part.watch.values() for name in _words(text)}
    if not entering and watched.issuperset(name for name in free if name in spaces):
        return
    if f"{local}.running_var" in part.lines:
        return
    norm = len(part.lines[f"{local}.weight"]) == 1
    if entering and not norm and watched.issuperset(free):
        return
    part.watch[key] = " ".join(
        _text(axis, part) if n in units else "*" for n, axis in enumerate(axes)
    )


def _text(axis: Expression, part: Part) -> str:
    return Part(lines={"": [axis]}, names=part.names).text("")


def _words(text: str) -> Iterator[str]:
    yield from re.findall(r"[A-Za-z_]\w*", text)


def _local(part: Part, sheet: Sheet, seen: Seen) -> str | None:
    """The module's name below the first copy of a block, or in the file's own tables."""
    if part.copies:
        prefix = f"{part.copies[0]}."
        return seen.module[len(prefix) :] if seen.module.startswith(prefix) else None
    inside = any(
        seen.module.startswith(f"{prefix}.") for other in sheet.parts[1:] for prefix in other.copies
    )
    return None if inside else seen.module
