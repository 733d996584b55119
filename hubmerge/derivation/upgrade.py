"""More than permutations, where the law says so: every kind is tried, and kept if it holds.

What the trace knows makes a proposal (which side of a product stands with a prime, what reads a
norm, which layer is a gate); the laws of `hubmerge.symmetry` decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from typing import Any

from hubmerge.derivation.axes import Leaf, leaves
from hubmerge.derivation.naming import distinct
from hubmerge.derivation.places import Places, products
from hubmerge.derivation.sheet import Part, Sheet, SpaceEntry
from hubmerge.derivation.terms import atoms
from hubmerge.derivation.trace import Trace
from hubmerge.derivation.trials import NoProposalError, Trials
from hubmerge.derivation.twin import Twin
from hubmerge.specs.spec import FLIP, LINEAR, ROTARY, ROTATE, SCALE, Spec

LOOKED_UP = "looked up"
"""In the reason that pins rows of embeddings."""


def upgrade(sheet: Sheet, twin: Twin, found: Trace, bound: Callable[[], Spec]) -> None:
    """Gives every space of `sheet` the most that the law allows. `bound` binds it to the twin."""
    _Upgrade(sheet, twin, found, bound).run()


class _Upgrade:
    def __init__(self, sheet: Sheet, twin: Twin, found: Trace, bound: Callable[[], Spec]) -> None:
        self.sheet, self.twin, self.found = sheet, twin, found
        self.places, self.trials = Places(sheet, found), Trials(sheet, twin, bound)

    def run(self) -> None:
        self._nest()
        self._batch()
        self._turn()
        for part in self.sheet.parts:
            for name, entry in list(part.spaces.items()):
                if not entry.fixed:
                    self._widen(part, name)

    # Insides

    def _nest(self) -> None:
        """An order of its own in every head, where heads stand to the left."""
        wanted = [
            (part, name, outer)
            for part in self.sheet.parts
            for name, entry in part.spaces.items()
            if not entry.fixed and (outer := self.places.outer(part, name)) is not None
        ]

        def nest(chosen: Sequence[tuple[Part, str, str]]) -> None:
            for part, name, outer in chosen:
                part.spaces[name].within = outer

        if wanted and not self.trials.attempt(lambda: nest(wanted)):
            for each in wanted:
                self.trials.attempt(lambda each=each: nest([each]))  # type: ignore[misc]

    # Kinds

    def _turn(self) -> None:
        """Rotary positions: what stays in order inside queries and keys may be turned in pairs."""
        for part in self.sheet.parts:
            fixed = {
                name
                for rel in part.lines
                for axis in part.lines[rel]
                for product in products(axis)
                for leaf in leaves(product)
                if (name := part.names.get(leaf.key))
                and leaf.why is not None
                and not name.isdigit()
            }
            for name in sorted(fixed):
                turned = partial(self._rotary, part, name)
                self.trials.attempt(turned, name, "rot")

    def _rotary(self, part: Part, name: str) -> None:
        places = [
            (part, rel, place)
            for (each, rel), count in self.places.lines(part, name)
            if each is part
            for place in range(count)
        ]
        second = self.places.second(places)
        outer = self.places.outer(part, name)
        if second is None or outer is None or outer == name:
            raise NoProposalError
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
        self.places.prime(local, second)

    def _widen(self, part: Part, name: str) -> None:
        writing, reading = self.places.sides(part, name)
        second = reading if writing and reading else self.places.second(writing) or []
        over = self._over(part, name)
        if over:
            if part is self.sheet.shared:
                self.trials.attempt(lambda: self._rotated(part, name, over), name)
            return

        def becomes(may: str, gate: tuple[str, str] | None = None) -> None:
            part.spaces[name].may = may
            self.places.prime(name, second)
            if gate is not None:
                part.gate[gate[0]] = gate[1]

        if second and self.trials.attempt(lambda: becomes(LINEAR), name):
            return
        if part.spaces[name].within is not None or not (writing and reading):
            return
        if self.trials.attempt(lambda: becomes(SCALE), name):
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
                if self.trials.attempt(lambda gate=gate: becomes(SCALE, gate), name):  # type: ignore[misc]
                    return
        self.trials.attempt(lambda: becomes(FLIP), name)

    def _over(self, part: Part, name: str) -> dict[str, list[str]]:
        """Norms over a space that keep no statistics, with what reads them."""
        found: dict[str, list[str]] = {}
        parts = self.sheet.parts if part is self.sheet.shared else [part]
        for each in parts:
            for rel in each.lines:
                module = rel.rpartition(".")[0]
                for full in self.places.full(each, rel):
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
            home = self.places.home(norm)
            inside = [self.places.below(home, reader) for reader in readers]
            local = self.places.below(home, norm)
            if not inside or local is None or None in inside:
                raise NoProposalError
            table = home.layernorm if norm in self.found.centred else home.rmsnorm
            table[str(local)] = " ".join(str(each) for each in inside)

    # Batch norms

    def _batch(self) -> None:
        """Names the layers in front of batch norms, which are not scaled with what leaves these."""
        fronts = []
        for norm, writer in self.found.behind.items():
            home = self.places.home(norm)
            local, front = self.places.below(home, norm), self.places.below(home, writer)
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

        if fronts and not self.trials.attempt(
            lambda: stand(fronts), *(norm for _, norm, _ in fronts)
        ):
            for each in fronts:
                self.trials.attempt(lambda each=each: stand([each]), each[1])  # type: ignore[misc]

    def _looked_up(self, tensor: str) -> bool:
        """Whether rows of a tensor are looked up, as of an embedding."""
        rows = self.found.axes.get(tensor, [])
        return any(LOOKED_UP in (atom.why or "") for dim in rows[:1] for atom in atoms(dim))


def _eps(module: Any) -> float | None:
    """What a batch norm adds to the variance."""
    return getattr(module, "eps", None) if hasattr(module, "running_var") else None
