"""That nothing is forgotten: every tensor has its line, every line and space its tensor."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import SequenceMatcher, get_close_matches

from hubmerge.errors import SpecError
from hubmerge.specs.draft.state import Draft
from hubmerge.specs.notation import short
from hubmerge.specs.tables import Block, Scope


def check_optional(draft: Draft, block: Block, scope: Scope, copies: Sequence[str]) -> None:
    """An optional line may be absent from some copies of a block; a typo from all of them.

    Looked into once everything is covered that will be.
    """
    for table, buffers in ((block.param, "param"), (block.buffer, "buffer")):
        for key in table:
            name = key.removesuffix("?")
            if not any(f"{prefix}.{name}" in draft.shapes for prefix in copies):
                draft.absent.append((key, name, draft.family.where(buffers, key, scope)))


def refuse_alike(draft: Draft, key: str, name: str, source: str) -> None:
    """Raises SpecError if a tensor that no line covers has nearly that name."""
    for tensor in draft.shapes:
        ending = ".".join(tensor.split(".")[-1 - name.count(".") :])
        if tensor not in draft.lines and _similar(name, ending):
            raise SpecError(
                f'the line "{key}" matches nothing',
                found=f"{tensor} {list(draft.shapes[tensor])} is covered by no line",
                source=source,
                hint=f"did you mean {ending!r}?",
            )


def check_covered(draft: Draft) -> None:
    missing = [name for name in draft.shapes if name not in draft.lines]
    if missing:
        shown = "\n".join(f"{name} {list(draft.shapes[name])}" for name in missing[:5])
        more = f"\nand {len(missing) - 5} more" if len(missing) > 5 else ""
        raise SpecError(
            f"{draft.family.shown_path} leaves {len(missing)} tensors uncovered",
            found=shown + more,
            source=draft.family.shown_path,
            hint="every parameter and buffer needs a line under [param] or [buffer]",
        )


def check_used(draft: Draft) -> None:
    """Raises: SpecError for a space on no axis; one of a block needs an axis in some copy.

    A line that some models lack is enough.
    """
    used = {n for line in draft.lines.values() for axis in line.axes for n in axis.names()}
    somewhere = {draft.declared[name] for name in used}
    somewhere |= {draft.declared[name] for name in draft.mentioned & draft.declared.keys()}
    for name in [*draft.spaces]:
        if name in used:
            continue
        if draft.declared[name] not in somewhere:
            raise SpecError(
                f"space {short(name)!r} is declared but on no axis",
                source=draft.declared[name],
                hint="remove it, or use its name in a line",
            )
        del draft.spaces[name]


def nearest(name: str, candidates: Collection[str]) -> str:
    """'; did you mean ...?' if one of `candidates` is close to `name`."""
    close = get_close_matches(name, candidates, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _similar(left: str, right: str) -> bool:
    same_numbers = re.findall(r"\d+", left) == re.findall(r"\d+", right)
    return same_numbers and SequenceMatcher(None, left, right).ratio() > 0.8
