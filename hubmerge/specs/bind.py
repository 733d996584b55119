"""Bringing a family and a model together: which line covers which tensor, how long is each space.

Every tensor must be covered by exactly one line, every line must cover something, every name must
be declared, every size must fit; anything else is a SpecError that quotes line, tensor and shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from hubmerge.errors import FamilyError, SpecError
from hubmerge.specs.conditions import asked_of_models, holds_in_layer
from hubmerge.specs.config_fields import field_of
from hubmerge.specs.derived import family_of, given_for
from hubmerge.specs.draft import (
    Draft,
    add_space,
    check_optional,
    claim,
    declare,
    finish,
    gates,
    kind_of,
    nearest,
    norms,
    stands_behind,
    tie,
    watch,
)
from hubmerge.specs.family import Family, holds, load_families, read_family
from hubmerge.specs.sizes import Shapes
from hubmerge.specs.spec import Spec
from hubmerge.specs.tables import Block, Scope


def bind_config(config: Any, shapes: Shapes) -> Spec:
    """The spec of a model, from its configuration and its tensors' shapes (module names).

    Where the file that comes with hubmerge for such a type does not describe these tensors, which
    some variant has: what was derived for that very configuration.
    Raises: FamilyError if no family describes the configuration, SpecError if the family that
    does is wrong about the tensors.
    """
    family = _family_for(config)
    try:
        return _bound(family, config, shapes)
    except SpecError:
        derived = family_of(config) if family.shipped else None
        if derived is None:
            raise
        return _bound(derived, config, shapes)


@dataclass(frozen=True, eq=False)
class _Question:
    """What a spec follows from; equal where it is the same. said: all that `config` holds."""

    family: Family
    config: Any
    shapes: Shapes
    said: str

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Question)
            and self.family is other.family
            and type(self.config) is type(other.config)
            and self.said == other.said
            and self.shapes == other.shapes
        )

    def __hash__(self) -> int:
        return hash((id(self.family), self.said))


def _bound(family: Family, config: Any, shapes: Shapes) -> Spec:
    """As `bind`, which answers every question once."""
    write = getattr(config, "to_json_string", None)
    try:
        said = None if write is None else write(use_diff=False)
    except (TypeError, ValueError):  # it holds what cannot be written down
        said = None
    if said is None:
        return bind(family, config, shapes)
    return _answer(_Question(family, config, shapes, said))


@lru_cache(maxsize=32)
def _answer(question: _Question) -> Spec:
    return bind(question.family, question.config, question.shapes)


def _family_for(config: Any) -> Family:
    """The reviewed family that fits, else what was derived for that very configuration.

    A spec that was handed over goes before both.
    """
    given = given_for(config)
    if given is not None and given.path is not None:
        return read_family(given.path)
    try:
        return load_families().for_config(config)
    except FamilyError:
        derived = family_of(config)
        if derived is None:
            raise
        return derived


def bind(family: Family, config: Any, shapes: Shapes) -> Spec:
    """`family` applied to one model. See `bind_config`."""
    family = family.with_head(config).for_names(shapes)
    draft = Draft(family=family, config=config, shapes=shapes)
    declare(draft, family.fixed, {}, (), fixed=True)
    declare(draft, family.space, {}, (), fixed=False)
    shared = {name: name for name in (*family.fixed, *family.space)}
    _bind_blocks(draft, family.block, Place("", (), shared))
    claim(draft, family.param, "", shared, (), buffers=False)
    claim(draft, family.buffer, "", shared, (), buffers=True)
    watch(draft, family.watch, "", shared, ())
    norms(draft, family.layernorm, "", (), centred=True)
    norms(draft, family.rmsnorm, "", (), centred=False)
    stands_behind(draft, family.behind, "", ())
    gates(draft, family.gate, "", ())
    tie(draft, family.tied)
    return finish(draft)


@dataclass(frozen=True)
class Place:
    """What a block stands in: the file, or one copy of an outer block.

    prefix: of the tensors there. scope: of its tables. names: full names by those that lines there
    use; what the flows of its blocks begin and end with is added.
    """

    prefix: str
    scope: Scope
    names: dict[str, str]

    def name(self, local: str) -> str:
        """Full name of what is new here."""
        return ".".join(filter(None, (self.prefix, local)))


def _bind_blocks(draft: Draft, blocks: Sequence[Block], place: Place) -> None:
    for number, block in enumerate(blocks):
        scope: Scope = (*place.scope, ("block", number))
        _check_condition(draft, scope, block)
        if holds(asked_of_models(block.when, draft.config), draft.config):
            copies = _copies(block, draft, blocks, place)
            if copies or block.flow:
                _bind_block(draft, block, scope, place, copies)


def _check_condition(draft: Draft, scope: Scope, block: Block) -> None:
    for name in block.when:
        known = name.endswith("?") or hasattr(draft.config, name)
        if not known and field_of(draft.config, name) is None:
            raise SpecError(
                f'block "{block.at}" asks for the configuration field {name!r}',
                found="the configuration has no such field",
                source=draft.family.where("", "when", scope),
                hint="name one of the model's configuration fields"
                + nearest(name, list(vars(draft.config))),
            )


def _bind_block(
    draft: Draft, block: Block, scope: Scope, place: Place, copies: Sequence[str]
) -> None:
    """Adds every copy of `block`; the names its flow gives to the rest are added to `place`."""
    flow = _Flow(draft, block, scope, place, copies) if block.flow else None
    _check_fresh(draft, block, scope, place, (flow.enters, flow.leaves) if flow else ())
    for prefix in copies:
        names = dict(place.names)
        for table, fixed in ((block.fixed, True), (block.space, False)):
            names |= {name: f"{prefix}.{name}" for name in table}
            declare(draft, table, names, scope, fixed=fixed)
        if flow:
            names |= flow.step(prefix)
        inside = Place(prefix, scope, names)
        _bind_blocks(draft, block.block, inside)
        claim(draft, block.param, prefix, names, scope, buffers=False)
        claim(draft, block.buffer, prefix, names, scope, buffers=True)
        watch(draft, block.watch, prefix, names, scope)
        norms(draft, block.layernorm, prefix, scope, centred=True)
        norms(draft, block.rmsnorm, prefix, scope, centred=False)
        stands_behind(draft, block.behind, prefix, scope)
        gates(draft, block.gate, prefix, scope)
    check_optional(draft, block, scope, copies)
    if flow:
        place.names.update(flow.ends())


def _copies(block: Block, draft: Draft, blocks: Sequence[Block], place: Place) -> list[str]:
    """Prefixes of the block's copies, in the order of their numbers.

    A copy that another block names with more of its numbers is that one's.
    Raises: SpecError, if there is none where there must be one.
    """
    special = [each for each in blocks if each.at.count("{") < block.at.count("{")]
    pattern = block.pattern(place.prefix)
    found: dict[str, tuple[int, ...]] = {}
    for name in draft.shapes:
        match = pattern.match(name)
        if match and not any(_same(each, match.group(), place) for each in special):
            found[match.group()] = tuple(map(int, match.groups()))
    source = draft.family.where("", "when", (*place.scope, ("block", blocks.index(block))))
    meant = {
        prefix: numbers
        for prefix, numbers in found.items()
        if holds_in_layer(block.when, draft.config, numbers, block.at, source)
    }
    if not found and not block.at.endswith("?"):
        below = [n for n in draft.shapes if n.startswith(place.prefix)]
        raise SpecError(
            f'block "{block.at}" matches nothing',
            found=f"tensors begin with {', '.join(sorted({_head(n) for n in below})[:6])}",
            source=draft.family.where("", "at", (*place.scope, ("block", blocks.index(block)))),
            hint="`at` is the part of the tensor names that all lines of the block share; with ? "
            "at its end, there may be no copy",
        )
    return sorted(meant, key=lambda prefix: meant[prefix])


def _same(block: Block, prefix: str, place: Place) -> bool:
    match = block.pattern(place.prefix).match(f"{prefix}.")
    return match is not None and match.group() == prefix


def _head(name: str) -> str:
    return ".".join(name.split(".")[:3])


def _check_fresh(
    draft: Draft, block: Block, scope: Scope, place: Place, threaded: tuple[str, ...]
) -> None:
    """A block's own names are new ones: none hides a space that is known where it stands."""
    tables = [("fixed", name) for name in block.fixed] + [("space", name) for name in block.space]
    for table, name in [*tables, *(("", name) for name in threaded)]:
        known = place.names
        hidden = {*known, *(name for _, name in tables)} if table == "" else {*known}
        if name in hidden:
            raise SpecError(
                f"space {name!r} is declared twice",
                found=f'once more by block "{block.at}"',
                source=draft.family.where(table, name if table else "flow", scope),
                hint="rename one of the two",
            )


class _Flow:
    """A space threaded through the copies of a block: what leaves one enters the next.

    Without a copy, both ends are one space.
    """

    def __init__(
        self, draft: Draft, block: Block, scope: Scope, place: Place, copies: Sequence[str]
    ) -> None:
        shared = place.names
        self.draft, self.block = draft, block
        self.source = draft.family.where("", "flow", scope)
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
        self.may = kind_of(draft, block.flow or "", block.may, block.through, self.source)
        self.first = self.current = shared.get(block.start, place.name(block.start))
        if block.start not in shared:
            add_space(draft, self.first, self.source, may=self.may)
        self.widening = [p for number, p in enumerate(copies) if self._widens(p, number)]
        self.end = shared.get(block.end or "")
        if self.end and not copies and draft.spaces[self.end].fixed:
            draft.mentioned.add(self.end)
            draft.spaces[self.first] = replace(draft.spaces[self.first], fixed=True)
        elif self.end and not (draft.spaces[self.end].fixed and self.widening):
            raise SpecError(
                f"space {block.end!r} is declared twice",
                found="once more as the end of a flow",
                source=draft.family.where("", "end", scope),
                hint="rename one of the two, or declare it under [fixed]",
            )

    def _widens(self, prefix: str, number: int) -> bool:
        joined = self.block.joined_unless
        if isinstance(joined, tuple):
            return number in joined
        return joined is None or f"{prefix}.{joined}" in self.draft.shapes

    def step(self, prefix: str) -> dict[str, str]:
        """Names of what enters and what leaves the copy at `prefix`."""
        entering = self.current
        if self.end and prefix == self.widening[-1]:
            self.current = self.end
        elif prefix in self.widening:
            self.current = f"{prefix}.{self.leaves}"
            add_space(self.draft, self.current, self.source, may=self.may)
        return {self.enters: entering, self.leaves: self.current}

    def ends(self) -> dict[str, str]:
        """Names by which the rest of the file knows both ends of the thread."""
        start, end = self.block.start or "", self.block.end
        return {start: self.first, **({end: self.current} if end else {})}
