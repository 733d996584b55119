"""Layers that repeat become one [[block]]: the lines of a trace, folded by what they share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hubmerge.derivation.axes import Expression, Leaf, Product, leaves, size_of
from hubmerge.derivation.fields import Fields
from hubmerge.derivation.layer_kinds import agrees, join, pattern_of, told_apart
from hubmerge.derivation.naming import distinct, fixed_name, space_name
from hubmerge.derivation.sheet import Part, SpaceEntry
from hubmerge.derivation.trace import ANSWER

Lines = Mapping[str, Sequence[Expression]]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass
class _Copy:
    """One copy of a repeated part."""

    prefix: str
    lines: dict[str, list[Expression]]
    names: dict[tuple[int, ...], str] = field(default_factory=dict)
    spaces: dict[str, SpaceEntry] = field(default_factory=dict)


class Folder:
    """What all of the folding needs to know.

    lines: of every tensor of the twin. shapes: of the twin. real: of the real model.
    """

    def __init__(self, lines: Lines, buffers: frozenset[str], real: Shapes, fields: Fields) -> None:
        self.lines, self.buffers, self.real, self.fields = lines, buffers, real, fields
        self.along: dict[tuple[int, ...], list[str]] = {}
        self.leaf: dict[tuple[int, ...], Leaf] = {}
        for name, axes in lines.items():
            for leaf in {each.key: each for axis in axes for each in leaves(axis)}.values():
                self.along.setdefault(leaf.key, []).append(name)
                self.leaf[leaf.key] = leaf

    def fold(self) -> list[Part]:
        """The file's own tables, then a part per block."""
        copies = self._chosen()
        inside = {name: copy for copy in copies for name in self._full(copy)}
        shared = Part(lines={n: list(a) for n, a in self.lines.items() if n not in inside})
        shared.buffers = {n for n in shared.lines if n in self.buffers}
        homes: dict[tuple[int, ...], _Copy | None] = {}
        for key, names in self.along.items():
            found = {id(inside[n]): inside[n] for n in names if n in inside}
            outside = any(name not in inside for name in names)
            homes[key] = next(iter(found.values())) if len(found) == 1 and not outside else None
        for key, home in homes.items():
            fixed = self.leaf[key].why is not None  # named anew by every copy that it stands in
            if home is None and (not fixed or any(n not in inside for n in self.along[key])):
                self._declare(shared.names, shared.spaces, key, self.lines, shared=True)
        for copy in copies:
            copy.names = dict(shared.names)
            taken: dict[str, SpaceEntry] = {}
            own = {n: self.lines[n] for n in self._full(copy)}
            for axes in copy.lines.values():
                for leaf in (each for axis in axes for each in leaves(axis)):
                    own_leaf = homes[leaf.key] is copy or leaf.why is not None
                    if own_leaf and leaf.key not in copy.names:
                        self._declare(copy.names, taken, leaf.key, own, reserved=shared.spaces)
            copy.spaces = taken
        return [shared, *self._blocks(copies, shared)]

    def _full(self, copy: _Copy) -> list[str]:
        return [f"{copy.prefix}.{rel}" for rel in copy.lines]

    # Names and sizes

    def _declare(
        self,
        names: dict[tuple[int, ...], str],
        spaces: dict[str, SpaceEntry],
        key: tuple[int, ...],
        lines: Lines,
        *,
        shared: bool = False,
        reserved: Mapping[str, object] | None = None,
    ) -> None:
        leaf = self.leaf[key]
        if leaf.size == 1 and self._length(key) in (None, 1):
            names[key] = "1"
            return
        if leaf.size == 1:  # one of what the real model has several of: nothing is known of them
            name = distinct("still", {**spaces, **(reserved or {})})
            names[key] = name
            spaces[name] = SpaceEntry(name, key, fixed=True, small=1)
            return
        own = {n: lines[n] for n in self.along[key] if n in lines}
        length = self._length(key)
        if leaf.why is not None and length == leaf.size < 32 and leaf.why != ANSWER:
            names[key] = str(leaf.size)
            return
        if leaf.why is None:
            base = space_name(leaf, own, shared)
        else:
            base = fixed_name(leaf, self.fields, length)
            if base in ("rot", "still") and (name := space_name(leaf, own, shared)) in OUTER:
                base = name
            if base in ("label", "vocab") and base in spaces:
                names[key] = base
                return
        name = distinct(base, {**spaces, **(reserved or {})})
        names[key] = name
        spaces[name] = SpaceEntry(
            name, key, leaf.why is not None, self._size(key, name), small=leaf.size
        )

    def _length(self, key: tuple[int, ...]) -> int | None:
        """Its length in the real model, where it is alone on an axis of a tensor both have."""
        for name in self.along[key]:
            for number, axis in enumerate(self.lines[name]):
                if isinstance(axis, Leaf) and axis.key == key and name in self.real:
                    return self.real[name][number]
        return None

    def _size(self, key: tuple[int, ...], name: str) -> str | int | None:
        leaf, length = self.leaf[key], self._length(key)
        if length is not None:
            like = "expert" if name == "expert" else ""
            path = self.fields.of(leaf.size, length, like, self.along[key])
            return path if path and self.fields.real(path) == length else None
        products = [
            (axis, size_of(axis), self.real[n][number])
            for n in self.along[key]
            for number, axis in enumerate(self.lines[n])
            if n in self.real and any(each.key == key for each in leaves(axis))
        ]
        plain = name.rpartition("_")[0] or name
        whole = next((n for axis, _, n in products if isinstance(axis, Product)), None)
        for like in _LIKE.get(plain, (plain,)):
            path = self.fields.of(leaf.size, whole, like, self.along[key])
            if path is not None and like in path:
                return path
        if products and all(ours == theirs for _, ours, theirs in products):
            return leaf.size
        return next((n for each in products if (n := self._share(leaf, *each)) is not None), None)

    def _share(self, leaf: Leaf, axis: Expression, ours: int, theirs: int) -> int | None:
        """The size of an inside: the same share of a head as in the twin.

        None, unless the number of heads, the outermost factor, is a field.
        """
        first = axis.parts[0] if isinstance(axis, Product) else None
        if not isinstance(first, Leaf) or first == leaf or len(axis.parts) != 2:  # type: ignore[union-attr]
            return None
        path = self.fields.of(first.size, theirs, "head", self.along[first.key])
        if path is None or "head" not in path:
            return None
        inside, real = ours // first.size, theirs // self.fields.real(path)
        size, rest = divmod(leaf.size * real, inside)
        return None if rest or size < 1 else size

    # Blocks

    def _chosen(self) -> list[_Copy]:
        """The copies into which the tensors are gathered: at the depth that leaves fewest lines."""
        trees: dict[str, list[str]] = {}
        for name in self.lines:
            found = re.match(r"^(.*?)\.\d+\.", name)
            if found:
                trees.setdefault(found[1], []).append(name)
        chosen: list[_Copy] = []
        for names in trees.values():
            best: tuple[int, list[_Copy]] | None = None
            for depth in range(1, 4):
                copies = self._copies(names, depth)
                if not copies:
                    break
                covered = sum(len(copy.lines) for copy in copies)
                cost = len(names) - covered + self._lines_left(copies)
                if best is None or cost < best[0]:
                    best = (cost, copies)
            if best is not None and best[0] < len(names):
                chosen += best[1]
        return chosen

    def _copies(self, names: Sequence[str], depth: int) -> list[_Copy]:
        found: dict[str, _Copy] = {}
        for name in names:
            parts = name.split(".")
            places = [n for n, part in enumerate(parts[:-1]) if part.isdigit()]
            if len(places) < depth:
                continue
            at = places[depth - 1] + 1
            prefix = ".".join(parts[:at])
            copy = found.setdefault(prefix, _Copy(prefix, {}))
            copy.lines[".".join(parts[at:])] = list(self.lines[name])
        return list(found.values())

    def _lines_left(self, copies: Sequence[_Copy]) -> int:
        """Lines that are written if `copies` are folded, roughly: by shape of expression alone."""
        seen: dict[tuple[str, str], set[str]] = {}
        for copy in copies:
            own = {
                key
                for key, names in self.along.items()
                if all(name.startswith(copy.prefix + ".") for name in names)
            }
            for rel, axes in copy.lines.items():
                form = _form(axes, own)
                pattern = re.sub(r"\.\d+", ".#", copy.prefix)
                seen.setdefault((pattern, rel), set()).add(form)
        return sum(len(forms) for forms in seen.values())

    def _blocks(self, copies: Sequence[_Copy], shared: Part) -> list[Part]:
        clusters: list[Part] = []
        for copy in copies:
            one = Part(
                copies=[copy.prefix],
                spaces=dict(copy.spaces),
                lines=copy.lines,
                names=copy.names,
            )
            one.buffers = {r for r in copy.lines if f"{copy.prefix}.{r}" in self.buffers}
            pattern = pattern_of(copy.prefix)
            for part in clusters:
                if pattern_of(part.copies[0]) == pattern and _fits(part, one):
                    join(part, one)
                    break
            else:
                clusters.append(one)
        return told_apart(clusters, self.real, self.fields)


OUTER = ("head", "kv", "expert", "group")
"""Names of what other spaces lie within, also where it stays in order itself."""

_LIKE = {
    "head": ("head", "group"),
    "kv": ("head", "group"),
    "qk": ("head_dim",),
    "vo": ("head_dim",),
    "rot": ("head_dim",),
}
"""What the fields are called that hold the size of a space with that name."""


def _form(axes: Sequence[Expression], own: set[tuple[int, ...]]) -> str:
    def one(expression: Expression) -> str:
        if isinstance(expression, Leaf):
            if expression.key in own:
                return "own"
            return "fixed" if expression.why else str(expression.key)
        mark = "*" if isinstance(expression, Product) else "+"
        return "(" + mark.join(one(part) for part in expression.parts) + ")"

    return " ".join(map(one, axes))


def _fits(part: Part, copy: Part) -> bool:
    """Whether a copy is of the same kind: enough of its lines are there, and all are the same."""
    both = [rel for rel in copy.lines if rel in part.lines]
    if len(both) * 2 < max(len(copy.lines), 1) and len(both) * 2 < len(part.lines):
        return False
    return agrees(part, copy)
