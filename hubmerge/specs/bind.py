"""Bringing a family and a model together: which line covers which tensor, how long is each space.

Every tensor must be covered by exactly one line, every line must cover something, every name must
be declared, every size must fit; anything else is a SpecError that quotes line, tensor and shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubmerge.errors import FamilyError, SpecError
from hubmerge.specs.derived import family_of
from hubmerge.specs.draft import Draft, nearest
from hubmerge.specs.family import Block, Family, holds, load_families
from hubmerge.specs.sizes import Shapes
from hubmerge.specs.spec import Spec


def bind_config(config: Any, shapes: Shapes) -> Spec:
    """The spec of a model, from its configuration and its tensors' shapes (module names).

    Raises: FamilyError if no family describes the configuration, SpecError if the family that
    does is wrong about the tensors.
    """
    return bind(_family_for(config), config, shapes)


def _family_for(config: Any) -> Family:
    """The reviewed family that fits, else what was derived for that very configuration."""
    try:
        return load_families().for_config(config)
    except FamilyError:
        derived = family_of(config)
        if derived is None:
            raise
        return derived


def bind(family: Family, config: Any, shapes: Shapes) -> Spec:
    """`family` applied to one model. See `bind_config`."""
    draft = Draft(family=family, config=config, shapes=shapes)
    draft.declare(family.fixed, {}, None, fixed=True)
    draft.declare(family.space, {}, None, fixed=False)
    shared = {name: name for name in (*family.fixed, *family.space)}
    for number, block in enumerate(family.block):
        _check_condition(draft, number, block)
        if holds(block.when, config):
            shared |= _bind_block(draft, number, block, shared)
    draft.claim(family.param, "", shared, None, buffers=False)
    draft.claim(family.buffer, "", shared, None, buffers=True)
    draft.watch(family.watch, "", shared, None)
    draft.norm(family.layernorm, "", None, centred=True)
    draft.norm(family.rmsnorm, "", None, centred=False)
    draft.stands_behind(family.behind, "", None)
    draft.gate(family.gate, "", None)
    draft.tie(family.tied)
    return draft.finish()


def _check_condition(draft: Draft, number: int, block: Block) -> None:
    for name in block.when:
        if not hasattr(draft.config, name):
            raise SpecError(
                f'block "{block.at}" asks for the configuration field {name!r}',
                found="the configuration has no such field",
                source=draft.family.where("", "when", number),
                hint="name one of the model's configuration fields"
                + nearest(name, list(vars(draft.config))),
            )


def _bind_block(
    draft: Draft, number: int, block: Block, shared: Mapping[str, str]
) -> dict[str, str]:
    """Adds every copy of `block`; returns the names its flow gives to the rest of the file."""
    copies = _copies(block, draft.shapes, draft.family.block)
    if not copies:
        raise SpecError(
            f'block "{block.at}" matches nothing',
            found=f"tensors begin with {', '.join(sorted({_head(n) for n in draft.shapes})[:6])}",
            source=draft.family.where("", "at", number),
            hint="`at` is the part of the tensor names that all lines of the block share",
        )
    flow = _Flow(draft, number, block, shared) if block.flow else None
    _check_fresh(draft, number, block, shared, (flow.enters, flow.leaves) if flow else ())
    for prefix in copies:
        names = dict(shared)
        for table, fixed in ((block.fixed, True), (block.space, False)):
            names |= {name: f"{prefix}.{name}" for name in table}
            draft.declare(table, names, number, fixed=fixed)
        if flow:
            names |= flow.step(prefix)
        draft.claim(block.param, prefix, names, number, buffers=False)
        draft.claim(block.buffer, prefix, names, number, buffers=True)
        draft.watch(block.watch, prefix, names, number)
        draft.norm(block.layernorm, prefix, number, centred=True)
        draft.norm(block.rmsnorm, prefix, number, centred=False)
        draft.stands_behind(block.behind, prefix, number)
        draft.gate(block.gate, prefix, number)
    draft.check_optional(block, number, copies)
    return flow.ends() if flow else {}


def _copies(block: Block, shapes: Shapes, blocks: Sequence[Block]) -> list[str]:
    """Prefixes of the block's copies, in the order of their numbers.

    A copy that another block names with more of its numbers is that one's.
    """
    special = [each for each in blocks if each.at.count("{") < block.at.count("{")]
    found: dict[str, tuple[int, ...]] = {}
    for name in shapes:
        match = block.pattern.match(name)
        if match and not any(_same(each, match.group()) for each in special):
            found[match.group()] = tuple(map(int, match.groups()))
    return sorted(found, key=lambda prefix: found[prefix])


def _same(block: Block, prefix: str) -> bool:
    match = block.pattern.match(f"{prefix}.")
    return match is not None and match.group() == prefix


def _head(name: str) -> str:
    return ".".join(name.split(".")[:3])


def _check_fresh(
    draft: Draft, number: int, block: Block, shared: Mapping[str, str], threaded: tuple[str, ...]
) -> None:
    """A block's own names are new ones: none hides a space the whole file knows."""
    tables = [("fixed", name) for name in block.fixed] + [("space", name) for name in block.space]
    for table, name in [*tables, *(("", name) for name in threaded)]:
        hidden = {*shared, *(name for _, name in tables)} if table == "" else shared
        if name in hidden:
            raise SpecError(
                f"space {name!r} is declared twice",
                found=f'once more by block "{block.at}"',
                source=draft.family.where(table, name if table else "flow", number),
                hint="rename one of the two",
            )


class _Flow:
    """A space threaded through the copies of a block: what leaves one enters the next."""

    def __init__(self, draft: Draft, number: int, block: Block, shared: Mapping[str, str]) -> None:
        self.draft, self.block = draft, block
        self.source = draft.family.where("", "flow", number)
        parts = [part.strip() for part in (block.flow or "").split("->")]
        distinct = len(parts) == 2 and parts[0] != parts[1]
        if not distinct or not all(part.isidentifier() for part in parts) or not block.start:
            raise SpecError(
                f'flow "{block.flow}" does not thread a space',
                found=f"start = {block.start!r}",
                source=self.source,
                hint='flow = "x -> y" with start = the space that enters the first block',
            )
        self.enters, self.leaves = parts
        self.may = draft.kind(block.flow or "", block.may, block.through, self.source)
        self.first = self.current = shared.get(block.start, block.start)
        if block.start not in shared:
            draft.add(block.start, self.source, may=self.may)
        if block.end in shared:
            raise SpecError(
                f"space {block.end!r} is declared twice",
                found="once more as the end of a flow",
                source=draft.family.where("", "end", number),
                hint="rename one of the two",
            )

    def step(self, prefix: str) -> dict[str, str]:
        """Names of what enters and what leaves the copy at `prefix`."""
        entering = self.current
        joined = self.block.joined_unless
        if joined is None or f"{prefix}.{joined}" in self.draft.shapes:
            self.current = f"{prefix}.{self.leaves}"
            self.draft.add(self.current, self.source, may=self.may)
        return {self.enters: entering, self.leaves: self.current}

    def ends(self) -> dict[str, str]:
        """Names by which the rest of the file knows both ends of the thread."""
        start, end = self.block.start or "", self.block.end
        return {start: self.first, **({end: self.current} if end else {})}
