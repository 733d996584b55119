"""Kinds of layers in one stack: by which numbers, fields or names their blocks are told apart.

A twin has fewer layers than the real model, so that a kind is no list of its numbers: the real
configuration says it layer by layer, or the names of the real tensors do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hubmerge.derivation.axes import leaves
from hubmerge.derivation.fields import Fields
from hubmerge.derivation.naming import distinct
from hubmerge.derivation.sheet import Part

NUMBER = re.compile(r"\.\d+(?=\.|$)")

Shapes = Mapping[str, tuple[int, ...]]


def pattern_of(prefix: str) -> str:
    """The prefix of a copy, its numbers left open."""
    return NUMBER.sub(".#", prefix)


def told_apart(parts: Sequence[Part], real: Shapes, fields: Fields) -> list[Part]:
    """The blocks of all stacks, each with its `at`, and `when` where a field tells kinds apart."""
    groups: dict[str, list[Part]] = {}
    for part in parts:
        groups.setdefault(pattern_of(part.copies[0]), []).append(part)
    found: list[Part] = []
    for group in groups.values():
        found += _apart(group, real, fields)
    return found


def _apart(group: list[Part], real: Shapes, fields: Fields) -> list[Part]:
    rows = [prefix.split(".") for part in group for prefix in part.copies]
    theirs = _real_copies(group, real)
    if len(group) > 1 and _by_field(group, len(theirs), fields):
        for part in group:
            part.at = _open(part.copies[0].split("."), _varying(rows))
        return group
    for part in group:
        part.at = _at(part, group, theirs)
    if len(group) == 1 or _right(group, theirs):
        return group
    merged = _merged(group)
    if merged is not None:
        merged.at = _open(rows[0], _varying(rows))
        return [merged]
    if {prefix for part in group for prefix in part.copies} == set(theirs):
        largest = max(group, key=lambda part: len(part.copies))
        return [
            replace(part, at=prefix, copies=[prefix]) if part is not largest else part
            for part in group
            for prefix in (part.copies if part is not largest else part.copies[:1])
        ]
    return group


def _varying(rows: Sequence[Sequence[str]]) -> list[int]:
    """Places of the numbers that differ; the last number, if none does."""
    numbers = [place for place, word in enumerate(rows[0]) if word.isdigit()]
    return [p for p in numbers if len({row[p] for row in rows}) > 1] or numbers[-1:]


def _open(row: Sequence[str], places: Iterable[int]) -> str:
    """A copy's prefix with a {} in these places, named by what they number."""
    words = list(row)
    used: dict[str, None] = {}
    for place in sorted(places):
        stem = re.sub(r"\W", "", row[place - 1]).rstrip("s") or "layer"
        label = distinct(stem if stem.isidentifier() else "layer", used)
        used[label] = None
        words[place] = f"{{{label}}}"
    return ".".join(words)


def _at(part: Part, group: Sequence[Part], theirs: Mapping[str, frozenset[str]]) -> str:
    rows = [prefix.split(".") for prefix in part.copies]
    last = max(n for n, word in enumerate(rows[0]) if word.isdigit())
    places = [p for p in range(len(rows[0])) if len({row[p] for row in rows}) > 1]
    if last not in places and _goes_on(rows[0], last, group, theirs):
        places.append(last)
    return _open(rows[0], places)


def _goes_on(row: Sequence[str], place: int, group: Sequence[Part], theirs: Iterable[str]) -> bool:
    """Whether this is the last copy of the twin, and the real model has more of them."""

    def largest(prefixes: Iterable[str]) -> int:
        split = (prefix.split(".") for prefix in prefixes)
        return max(
            (int(each[place]) for each in split if each[:place] == [*row[:place]]), default=0
        )

    ours = largest(prefix for part in group for prefix in part.copies)
    return int(row[place]) == ours and largest(theirs) > ours


def _real_copies(group: Sequence[Part], real: Shapes) -> dict[str, frozenset[str]]:
    """The real model's copies of a stack, with the names of the tensors below each."""
    pattern = re.escape(pattern_of(group[0].copies[0])).replace(r"\#", r"\d+")
    found: dict[str, set[str]] = {}
    for name in real:
        match = re.match(rf"({pattern})\.", name)
        if match:
            found.setdefault(match[1], set()).add(name[match.end() :])
    return {prefix: frozenset(names) for prefix, names in found.items()}


def _by_field(group: Sequence[Part], layers: int, fields: Fields) -> bool:
    """Gives every part a `when` on a field with one value per layer, if one tells them apart."""
    copies = sum(len(part.copies) for part in group)
    for path, (ours, theirs) in fields.lists.items():
        if len(ours) != copies or len(theirs) != layers:
            continue
        values = [dict.fromkeys(ours[_number(prefix)] for prefix in p.copies) for p in group]
        known = {value for each in values for value in each}
        if len(known) == sum(map(len, values)) and known.issuperset(theirs):
            for part, each in zip(group, values, strict=True):
                part.when = {path: [*each] if len(each) > 1 else next(iter(each))}
            return True
    return False


def _number(prefix: str) -> int:
    return int(re.findall(r"(?:^|\.)(\d+)(?=\.|$)", prefix)[-1])


def _right(group: Sequence[Part], theirs: Mapping[str, frozenset[str]]) -> bool:
    """Whether every real copy belongs to one block, whose lines are its tensors."""
    ats = [re.compile(re.sub(r"\\\{\w+\\\}", r"\\d+", re.escape(part.at))) for part in group]
    for prefix, names in theirs.items():
        fits = [n for n, at in enumerate(ats) if at.fullmatch(prefix)]
        fewest = min((group[n].at.count("{") for n in fits), default=0)
        fits = [n for n in fits if group[n].at.count("{") == fewest]
        if len(fits) != 1:
            return False
        part = group[fits[0]]
        needed = {name for name in part.lines if name not in part.optional}
        if not needed <= names or not names <= part.lines.keys():
            return False
    return True


def _merged(group: Sequence[Part]) -> Part | None:
    """One block for kinds whose common tensors have the same lines; None if they have not."""
    first, *others = group
    made = replace(first, **first.copied())
    for other in others:
        if not agrees(made, other):
            return None
        join(made, other)
    return made


def agrees(part: Part, other: Part) -> bool:
    """Whether the lines that both have are the same, and their names mean the same."""
    both = [rel for rel in other.lines if rel in part.lines]
    if any(part.text(rel) != other.text(rel) for rel in both):
        return False
    fixed = {name: entry.fixed for name, entry in part.spaces.items()}
    return all(fixed.get(name, entry.fixed) == entry.fixed for name, entry in other.spaces.items())


def join(part: Part, other: Part) -> None:
    """Adds the copies of another block: what only some of them have is optional."""
    part.optional |= {rel for rel in part.lines if rel not in other.lines} | other.optional
    part.buffers |= other.buffers
    for rel, axes in other.lines.items():
        if rel not in part.lines:
            part.lines[rel] = axes
            part.optional.add(rel)
            for leaf in (each for axis in axes for each in leaves(axis)):
                part.names.setdefault(leaf.key, other.names[leaf.key])
    for name, entry in other.spaces.items():
        known = part.spaces.setdefault(name, entry)
        if known.size != entry.size:
            known.size = None
    part.copies += other.copies
