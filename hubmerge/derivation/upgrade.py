"""More than permutations, where the law says so: every kind is tried, and kept if it holds.

What the trace knows makes a proposal (which side of a product stands with a prime, what reads a
norm, which layer is a gate); the laws of `hubmerge.symmetry` decide.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import torch

from hubmerge.derivation.axes import Expression, Leaf, Product, leaves
from hubmerge.derivation.budget import refuse_delay
from hubmerge.derivation.naming import distinct
from hubmerge.derivation.sheet import Part, Sheet, SpaceEntry
from hubmerge.derivation.terms import atoms
from hubmerge.derivation.trace import Trace
from hubmerge.derivation.twin import Twin
from hubmerge.errors import HubmergeError
from hubmerge.specs.notation import short
from hubmerge.specs.spec import FLIP, LINEAR, PERMUTE, ROTARY, ROTATE, SCALE, Spec
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import random_symmetry, transform
from hubmerge.symmetry.laws import TOLERANCE, deviation, outputs
from hubmerge.symmetry.permutation import State, permute, random_permutation
from hubmerge.symmetry.unit_scales import random_scales

LOOKED_UP = "looked up"
"""In the reason that pins rows of embeddings."""

Place = tuple[Part, str, int]
"""Where a space occurs: part, tensor below it, how many times it occurred there before."""


def upgrade(sheet: Sheet, twin: Twin, found: Trace, bound: Callable[[], Spec]) -> None:
    """Gives every space of `sheet` the most that the law allows. `bound` binds it to the twin."""
    _Upgrade(sheet, twin, found, bound).run()


class _Upgrade:
    def __init__(self, sheet: Sheet, twin: Twin, found: Trace, bound: Callable[[], Spec]) -> None:
        self.sheet, self.twin, self.found, self.bound = sheet, twin, found, bound
        self.state = twin.model.state_dict()
        self.reference = outputs(twin.model, self.state, twin.inputs)
        self.terms = {id(a): a for dims in found.axes.values() for d in dims for a in atoms(d)}

    def run(self) -> None:
        self._nest()
        self._batch()
        self._turn()
        for part in self.sheet.parts:
            for name, entry in list(part.spaces.items()):
                if not entry.fixed:
                    self._widen(part, name)

    # Trials

    def _holds(self, changed: Collection[str]) -> bool:
        """Whether random elements leave the twin's answers alone.

        changed: names of spaces, or of norms, whose scales are tried; those of others were before.
        """
        try:
            spec, state = _focused(self.bound(), changed), self.state
            if not self._stays(permute(spec, state, random_permutation(spec, 0))):
                return False
            for name, factors, scale in random_scales(spec, 0):
                ours = name.rpartition(".")[2] in changed or any(name.endswith(c) for c in changed)
                if ours and not self._stays(scale(spec, state, {name: factors})):
                    return False
            if not spec.mapped_spaces():
                return True
            form = canonical(spec, state)
            there = transform(spec, form, random_symmetry(spec, 0))
            return self._stays(form) and self._stays(there)
        except (HubmergeError, KeyError, ValueError, IndexError, RuntimeError):
            return False

    def _stays(self, state: State) -> bool:
        tied = getattr(self.twin.model, "all_tied_weights_keys", None) or {}
        if any(
            n in state and o in state and not torch.equal(state[n], state[o])
            for n, o in tied.items()
        ):
            return False
        found = outputs(self.twin.model, state, self.twin.inputs)
        return deviation(self.reference, found) <= TOLERANCE

    def _try(self, change: Callable[[], None], *changed: str) -> bool:
        """Makes a change of the sheet, and takes it back unless the law holds."""
        refuse_delay()
        before = [part.copied() for part in self.sheet.parts], self.sheet.batchnorm_eps
        try:
            change()
            if self._holds(changed):
                return True
        except _NoProposal:
            pass
        for part, fields in zip(self.sheet.parts, before[0], strict=True):
            vars(part).update(fields)
        self.sheet.batchnorm_eps = before[1]
        return False

    # Insides

    def _nest(self) -> None:
        """An order of its own in every head, where heads stand to the left."""
        wanted = [
            (part, name, outer)
            for part in self.sheet.parts
            for name, entry in part.spaces.items()
            if not entry.fixed and (outer := self._outer(part, name)) is not None
        ]

        def nest(chosen: Sequence[tuple[Part, str, str]]) -> None:
            for part, name, outer in chosen:
                part.spaces[name].within = outer

        if wanted and not self._try(lambda: nest(wanted)):
            for each in wanted:
                self._try(lambda each=each: nest([each]))  # type: ignore[misc]

    def _outer(self, part: Part, name: str) -> str | None:
        """What stands to the left of `name` in all of its lines, nearest first."""
        common: list[str] | None = None
        for line, _ in self._lines(part, name):
            left = self._left(line[0], line[1], name)
            common = left if common is None else [each for each in common if each in left]
        known = {**self.sheet.shared.spaces, **part.spaces}
        return next((each for each in common or () if each in known and each != name), None)

    def _left(self, part: Part, rel: str, name: str) -> list[str]:
        found: list[str] = []
        for axis in part.lines[rel]:
            for product in _products(axis):
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

    def _lines(self, part: Part, name: str) -> Iterator[tuple[tuple[Part, str], int]]:
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

    # Sides

    def _sides(self, part: Part, name: str) -> tuple[list[Place], list[Place]]:
        """Places that write a space, and those that read it."""
        writing: list[Place] = []
        reading: list[Place] = []
        for (each, rel), count in self._lines(part, name):
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
            for full in self._full(part, rel)
            for term in self.found.reads.get(full, ())
            for atom in atoms(term)
        )

    def _full(self, part: Part, rel: str) -> list[str]:
        return [f"{copy_}.{rel}" for copy_ in part.copies] if part.copies else [rel]

    def _second(self, writing: Sequence[Place]) -> list[Place] | None:
        """Of what only writes (queries and keys), the second side; None if there are not two."""
        modules = list(dict.fromkeys((rel.rpartition(".")[0], place) for _, rel, place in writing))
        if len(modules) != 2:
            return None
        return [p for p in writing if (p[1].rpartition(".")[0], p[2]) == modules[1]]

    def _prime(self, name: str, places: Sequence[Place]) -> None:
        for part, rel, place in places:
            part.duals.add((rel, name, place))

    # Kinds

    def _turn(self) -> None:
        """Rotary positions: what stays in order inside queries and keys may be turned in pairs."""
        for part in self.sheet.parts:
            fixed = {
                name
                for rel in part.lines
                for axis in part.lines[rel]
                for product in _products(axis)
                for leaf in leaves(product)
                if (name := part.names.get(leaf.key))
                and leaf.why is not None
                and not name.isdigit()
            }
            for name in sorted(fixed):
                self._try(lambda name=name, part=part: self._rotary(part, name), name, "rot")  # type: ignore[misc]

    def _rotary(self, part: Part, name: str) -> None:
        places = [
            (part, rel, place)
            for (each, rel), count in self._lines(part, name)
            if each is part
            for place in range(count)
        ]
        second = self._second(places)
        outer = self._outer(part, name)
        if second is None or outer is None or outer == name:
            raise _NoProposal
        home = part.spaces.get(name) or self.sheet.shared.spaces[name]
        elsewhere = any(
            each.names.get(leaf.key) == name
            for each in self.sheet.parts
            if each is not part
            for axes in each.lines.values()
            for axis in axes
            for leaf in leaves(axis)
        )
        if not elsewhere:
            self.sheet.shared.spaces.pop(name, None)
        part.spaces.pop(name, None)
        local = distinct("rot", {**self.sheet.shared.spaces, **part.spaces})
        entry = SpaceEntry(local, home.key, False, home.size, outer, ROTARY, home.small)
        part.names = {key: local if known == name else known for key, known in part.names.items()}
        part.spaces[local] = entry
        self._prime(local, second)

    def _widen(self, part: Part, name: str) -> None:
        writing, reading = self._sides(part, name)
        second = reading if writing and reading else self._second(writing) or []
        over = self._over(part, name)
        if over:
            if part is self.sheet.shared:
                self._try(lambda: self._rotated(part, name, over), name)
            return

        def becomes(may: str, gate: tuple[str, str] | None = None) -> None:
            part.spaces[name].may = may
            self._prime(name, second)
            if gate is not None:
                part.gate[gate[0]] = gate[1]

        if second and self._try(lambda: becomes(LINEAR), name):
            return
        if part.spaces[name].within is not None or not (writing and reading):
            return
        if self._try(lambda: becomes(SCALE), name):
            return
        modules = list(
            dict.fromkeys(
                rel.rpartition(".")[0]
                for each, rel, _ in writing
                if each is part and rel.endswith(".weight")
            )
        )
        if 2 <= len(modules) <= 3:
            for gate in permutations(modules, 2):
                if self._try(lambda gate=gate: becomes(SCALE, gate), name):  # type: ignore[misc]
                    return
        self._try(lambda: becomes(FLIP), name)

    def _over(self, part: Part, name: str) -> dict[str, list[str]]:
        """Norms over a space that keep no statistics, with what reads them."""
        found: dict[str, list[str]] = {}
        parts = self.sheet.parts if part is self.sheet.shared else [part]
        for each in parts:
            for rel in each.lines:
                module = rel.rpartition(".")[0]
                for full in self._full(each, rel):
                    norm = full.rpartition(".")[0]
                    known = (
                        norm in self.found.norms and f"{norm}.running_var" not in self.found.axes
                    )
                    if not (known and full.endswith(".weight") and module):
                        continue
                    axes = each.lines[rel]
                    alone = axes[0] if len(axes) == 1 else None
                    if isinstance(alone, Leaf) and each.names.get(alone.key) == name:
                        found[norm] = self.found.norms[norm]
        return found

    def _rotated(self, part: Part, name: str, over: dict[str, list[str]]) -> None:
        part.spaces[name].may = ROTATE
        for norm, readers in over.items():
            home = self._home(norm)
            inside = [self._below(home, reader) for reader in readers]
            local = self._below(home, norm)
            if not inside or local is None or None in inside:
                raise _NoProposal
            table = home.layernorm if norm in self.found.centred else home.rmsnorm
            table[str(local)] = " ".join(str(each) for each in inside)

    def _home(self, module: str) -> Part:
        for part in self.sheet.parts[1:]:
            if any(module.startswith(f"{prefix}.") for prefix in part.copies):
                return part
        return self.sheet.shared

    def _below(self, part: Part, module: str) -> str | None:
        """The module's name within a copy of `part`; None if it lies elsewhere."""
        if part is self.sheet.shared:
            return module if self._home(module) is part else None
        for prefix in part.copies:
            if module.startswith(f"{prefix}."):
                return module[len(prefix) + 1 :]
        return None

    # Batch norms

    def _batch(self) -> None:
        """Names the layers in front of batch norms, which are not scaled with what leaves these."""
        fronts = []
        for norm, writer in self.found.behind.items():
            home = self._home(norm)
            local, front = self._below(home, norm), self._below(home, writer)
            lines = home.lines
            here = local and front and f"{local}.weight" in lines and f"{front}.weight" in lines
            if local and front and here and not self._looked_up(f"{writer}.weight"):
                fronts.append((home, local, front))

        def stand(chosen: Sequence[tuple[Part, str, str]]) -> None:
            for home, norm, writer in chosen:
                home.behind[norm + "?" * (f"{norm}.weight" in home.optional)] = writer
            self.sheet.batchnorm_eps = next(
                (eps for m in self.twin.model.modules() if isinstance(eps := _eps(m), float)), None
            )

        if fronts and not self._try(lambda: stand(fronts), *(norm for _, norm, _ in fronts)):
            for each in fronts:
                self._try(lambda each=each: stand([each]), each[1])  # type: ignore[misc]

    def _looked_up(self, tensor: str) -> bool:
        """Whether rows of a tensor are looked up, as of an embedding."""
        rows = self.found.axes.get(tensor, [])
        return any(LOOKED_UP in (atom.why or "") for dim in rows[:1] for atom in atoms(dim))


def _eps(module: Any) -> float | None:
    """What a batch norm adds to the variance."""
    return module.eps if hasattr(module, "running_var") else None


def _focused(spec: Spec, changed: Collection[str]) -> Spec:
    """`spec` with maps of the `changed` spaces alone: those of others were tried before them."""
    spaces = {
        name: replace(space, may=PERMUTE, fixed=space.fixed or space.may == ROTARY)
        if space.may not in (PERMUTE, SCALE) and short(name) not in changed
        else space
        for name, space in spec.spaces.items()
    }
    norms = tuple(norm for norm in spec.norms if short(norm.space) in changed)
    return replace(spec, spaces=spaces, norms=norms)


class _NoProposal(Exception):
    """What the trace knows allows no such proposal."""


def _products(axis: Expression) -> list[Product]:
    if isinstance(axis, Leaf):
        return []
    inside = [each for part in axis.parts for each in _products(part)]
    return [axis, *inside] if isinstance(axis, Product) else inside
