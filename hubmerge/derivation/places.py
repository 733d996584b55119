"""Where spaces stand in a spec in the making: lines, sides, and what lies around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hubmerge.derivation.axes import Expression, Leaf, Product, leaves
from hubmerge.derivation.sheet import Part, Sheet
from hubmerge.derivation.terms import atoms
from hubmerge.derivation.trace import Trace

Place = tuple[Part, str, int]
"""Where a space occurs: part, tensor below it, how many times it occurred there before."""


class Places:
    """What the trace knows of the lines of `sheet`."""

    def __init__(self, sheet: Sheet, found: Trace) -> None:
        self.sheet, self.found = sheet, found
        self.terms = {id(a): a for dims in found.axes.values() for d in dims for a in atoms(d)}

    def outer(self, part: Part, name: str) -> str | None:
        """What stands to the left of `name` in all of its lines, nearest first."""
        common: list[str] | None = None
        for line, _ in self.lines(part, name):
            left = self._left(line[0], line[1], name)
            common = left if common is None else [each for each in common if each in left]
        known = {**self.sheet.shared.spaces, **part.spaces}
        return next((each for each in common or () if each in known and each != name), None)

    def _left(self, part: Part, rel: str, name: str) -> list[str]:
        found: list[str] = []
        for axis in part.lines[rel]:
            for product in products(axis):
                names = [
                    part.names.get(p.key) if isinstance(p, Leaf) else None for p in product.parts
                ]
                inside = [
                    k
                    for k, p in enumerate(product.parts)
                    if name in {part.names.get(leaf.key) for leaf in leaves(p)}
                ]
                if inside and inside[0] > 0:
                    found += [n for n in names[: inside[0]][::-1] if n is not None]
            if any(part.names.get(leaf.key) == name for leaf in leaves(axis)):
                break
            if isinstance(axis, Leaf) and not part.names[axis.key].isdigit():
                found.append(part.names[axis.key])
        return found

    def lines(self, part: Part, name: str) -> Iterator[tuple[tuple[Part, str], int]]:
        """Every line that names a space of `part`, with how often it does."""
        parts = self.sheet.parts if part is self.sheet.shared else [part]
        for each in parts:
            for rel in each.lines:
                count = sum(
                    each.names.get(leaf.key) == name
                    for axis in each.lines[rel]
                    for leaf in leaves(axis)
                )
                if count:
                    yield (each, rel), count

    def sides(self, part: Part, name: str) -> tuple[list[Place], list[Place]]:
        """Places that write a space, and those that read it."""
        writing: list[Place] = []
        reading: list[Place] = []
        for (each, rel), count in self.lines(part, name):
            side = reading if self._reads(each, rel, name) else writing
            side += [(each, rel, place) for place in range(count)]
        return writing, reading

    def _reads(self, part: Part, rel: str, name: str) -> bool:
        keys = {
            leaf.key[0]
            for axis in part.lines[rel]
            for leaf in leaves(axis)
            if part.names.get(leaf.key) == name
        }
        wanted = {self.terms[key].root for key in keys if key in self.terms}
        return any(
            atom in wanted
            for full in self.full(part, rel)
            for term in self.found.reads.get(full, ())
            for atom in atoms(term)
        )

    def full(self, part: Part, rel: str) -> list[str]:
        """The names of a tensor in all copies of `part`."""
        return [f"{copy_}.{rel}" for copy_ in part.copies] if part.copies else [rel]

    def second(self, writing: Sequence[Place]) -> list[Place] | None:
        """Of what only writes (queries and keys), the second side; None if there are not two."""
        modules = list(dict.fromkeys((rel.rpartition(".")[0], place) for _, rel, place in writing))
        if len(modules) != 2:
            return None
        return [p for p in writing if (p[1].rpartition(".")[0], p[2]) == modules[1]]

    def prime(self, name: str, places: Sequence[Place]) -> None:
        """Puts a prime behind a space wherever it stands in `places`."""
        for part, rel, place in places:
            part.duals.add((rel, name, place))

    def home(self, module: str) -> Part:
        """The block one of whose copies holds a module; else the file's own tables."""
        for part in self.sheet.parts[1:]:
            if any(module.startswith(f"{prefix}.") for prefix in part.copies):
                return part
        return self.sheet.shared

    def below(self, part: Part, module: str) -> str | None:
        """The module's name within a copy of `part`; None if it lies elsewhere."""
        if part is self.sheet.shared:
            return module if self.home(module) is part else None
        for prefix in part.copies:
            if module.startswith(f"{prefix}."):
                return module[len(prefix) + 1 :]
        return None


def products(axis: Expression) -> list[Product]:
    if isinstance(axis, Leaf):
        return []
    inside = [each for part in axis.parts for each in products(part)]
    return [axis, *inside] if isinstance(axis, Product) else inside
