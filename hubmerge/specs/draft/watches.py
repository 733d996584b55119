"""The places where activations can be seen."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hubmerge.errors import SpecError
from hubmerge.specs.draft.lines import check_single, read_axes
from hubmerge.specs.draft.state import Draft
from hubmerge.specs.notation import SAMPLES
from hubmerge.specs.sizes import Line
from hubmerge.specs.tables import Scope


def watch(
    draft: Draft, table: Mapping[str, str], prefix: str, names: Mapping[str, str], scope: Scope
) -> None:
    """Adds the places where activations can be seen."""
    for key, text in table.items():
        source = draft.family.where("watch", key, scope)
        entering, leaving = key.startswith("->"), key.endswith("->")
        module = ".".join(filter(None, (prefix, key.replace("->", "").strip())))
        if entering == leaving or not re.fullmatch(r"[\w.-]+", module):
            raise SpecError(
                f'"{key}" is no place to watch',
                source=source,
                hint='"-> module" is what enters it, "module ->" is what leaves it',
            )
        what = f'watch "{key}" is "{text}"'
        axes = read_axes(draft, text, what, names, source)
        units = [axis for axis in axes if list(axis.names()) != [SAMPLES]]
        if len(units) != 1 or SAMPLES in units[0].names():
            raise SpecError(
                what,
                found=f"{len(units)} axes of units",
                source=source,
                hint='exactly one axis is named, all others are *: "* * resid"',
            )
        if (module, entering) in draft.watched:
            raise SpecError(
                f"{what}, but it is watched already",
                found=f'"{draft.watched[module, entering].text}"',
                source=source,
                hint="leave one of the two lines",
            )
        check_single(draft, what, (units[0],), source)
        draft.watched[module, entering] = Line(text, axes, source)
