"""What the trace found, put to the test in float64 on the twin.

The law: every free atom permuted at random, the outputs stay. The negative control: a tensor moved
alone along the atom must show, or the law says nothing of it. A tensor that may be replaced by
noise without effect (a bias of keys under softmax) can show nothing and is left out of the control;
an atom that no pair of a writer and a reader shows is pinned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from hubmerge.derivation.budget import refuse_delay
from hubmerge.derivation.terms import SUM, Term, atoms, pin
from hubmerge.derivation.trace import Trace
from hubmerge.derivation.twin import Twin
from hubmerge.symmetry.answers import answers
from hubmerge.symmetry.in_double import DoubleForSingle
from hubmerge.symmetry.laws import SEED, TOLERANCE

SHOWN = 1e-7
"""Smallest deviation that counts as a response: well above rounding, and below any real effect."""

REFUTED = "reordering it moves the outputs"
UNSHOWN = "no writer and reader respond when moved alone"


@dataclass(frozen=True)
class Certificate:
    """What was certified.

    deviation: the largest, of all free atoms permuted at once. without_effect: tensors whose
    replacement by noise does not move the outputs.
    """

    deviation: float
    without_effect: tuple[str, ...]


def run(twin: Twin) -> list[Tensor]:
    """The twin's answers to its probe."""
    refuse_delay()
    with torch.random.fork_rng(devices=[]), DoubleForSingle():
        torch.manual_seed(SEED)
        return answers(twin.model(**twin.inputs))


@dataclass
class Bench:
    """The twin with tensors exchanged for the length of one forward."""

    twin: Twin
    tensors: Mapping[str, Tensor]
    reference: list[Tensor]

    def moved(self, exchanged: Mapping[str, Tensor]) -> float:
        """How far the outputs move, relative to each one's largest value."""
        with self._exchanged(exchanged), torch.no_grad():
            found = run(self.twin)
        return distance(self.reference, found)

    @contextmanager
    def _exchanged(self, exchanged: Mapping[str, Tensor]) -> Iterator[None]:
        kept = {name: self.tensors[name].data for name in exchanged}
        for name, value in exchanged.items():
            self.tensors[name].data = value
        try:
            yield
        finally:
            for name, value in kept.items():
                self.tensors[name].data = value


def distance(reference: Sequence[Tensor], found: Sequence[Tensor]) -> float:
    """The largest deviation of any tensor, relative to its largest reference value."""
    worst = 0.0
    for one, other in zip(reference, found, strict=True):
        if one.shape != other.shape or not torch.isfinite(other).all():
            return float("inf")
        scale = float(one.abs().max()) or 1.0
        worst = max(worst, float((other - one).abs().max()) / scale)
    return worst


def bench(twin: Twin) -> Bench:
    """The twin, ready to be tried."""
    with torch.no_grad():
        reference = run(twin)
    tensors: dict[str, Tensor] = {}
    for name, tensor in twin.tensors.items():
        if not any(tensor is other for other in tensors.values()):
            tensors[name] = tensor
    return Bench(twin, tensors, reference)


def free_atoms(found: Trace) -> dict[Term, list[str]]:
    """Every atom that may be reordered, with the tensors it runs along, in their order."""
    free: dict[Term, list[str]] = {}
    for name, dims in found.axes.items():
        for dim in dims:
            for atom in atoms(dim):
                if atom.why is None and atom.size > 1 and name not in free.setdefault(atom, []):
                    free[atom].append(name)
    return free


def certify(found: Trace, on: Bench, seed: int = 0) -> Certificate:
    """Pins every atom of `found` that the law refutes or the control does not show.

    Returns: how far all that are left move the outputs together.
    """
    generator = torch.Generator().manual_seed(seed)
    silent = tuple(_without_effect(on, generator))
    orders = {atom: _order(atom.size, generator) for atom in free_atoms(found)}
    _refute(found, on, orders)
    for atom, names in free_atoms(found).items():
        if not _shown(found, on, atom, names, orders[atom], silent):
            pin(atom, UNSHOWN)
    left = {atom: orders[atom] for atom in free_atoms(found)}
    deviation = on.moved(permuted(found, on, left)) if left else 0.0
    return Certificate(deviation, silent)


def _order(size: int, generator: torch.Generator) -> Tensor:
    order = torch.randperm(size, generator=generator)
    return order.roll(1) if bool((order == torch.arange(size)).all()) else order


def _without_effect(on: Bench, generator: torch.Generator) -> Iterator[str]:
    """Tensors whose replacement by noise does not move the outputs; gradients say which to try."""
    suspects = _flat(on)
    for name, tensor in on.tensors.items():
        if not tensor.is_floating_point() or name not in suspects:
            continue
        noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        scale = float(tensor.detach().abs().mean()) or 1.0
        if on.moved({name: (scale * noise).to(tensor.dtype)}) < SHOWN:
            yield name


def _flat(on: Bench) -> set[str]:
    """Parameters without a gradient worth mentioning; all of them, if there are no gradients."""
    own = {n: t for n, t in on.tensors.items() if isinstance(t, torch.nn.Parameter)}
    required = {name: tensor.requires_grad for name, tensor in own.items()}
    generator = torch.Generator().manual_seed(SEED)
    try:
        for tensor in own.values():
            tensor.requires_grad_(True)
        with torch.enable_grad():
            parts = [
                (each * torch.randn(each.shape, generator=generator, dtype=each.dtype)).sum()
                / (float(each.detach().abs().max()) or 1.0)
                for each in run(on.twin)
            ]
            whole = torch.stack(parts).sum()
            found = torch.autograd.grad(whole, [*own.values()], allow_unused=True)
    except RuntimeError:
        return set(own)
    finally:
        for name, tensor in own.items():
            tensor.requires_grad_(required[name])
    return {
        name
        for (name, tensor), slope in zip(own.items(), found, strict=True)
        if slope is None
        or float((slope.abs().max() * tensor.detach().abs().max()).item()) < 10 * SHOWN
    }


def _refute(found: Trace, on: Bench, orders: Mapping[Term, Tensor]) -> None:
    """Pins what moves the outputs, and what does in combination."""
    left = dict(orders)
    if not left or on.moved(permuted(found, on, left)) <= TOLERANCE:
        return
    for atom in list(left):
        if on.moved(permuted(found, on, {atom: left[atom]})) > TOLERANCE:
            pin(atom, REFUTED)
            del left[atom]
    while left and on.moved(permuted(found, on, left)) > TOLERANCE:
        pin(next(reversed(left)), REFUTED)
        left.popitem()


def _shown(
    found: Trace,
    on: Bench,
    atom: Term,
    names: Sequence[str],
    order: Tensor,
    silent: Sequence[str],
) -> bool:
    """Whether a writer and a reader of `atom` respond, or two tensors of different modules.

    Queries and keys read each other, and no tensor reads them.
    """
    writers: set[str] = set()
    readers: set[str] = set()
    for name in names:
        if name not in on.tensors or name in silent:
            continue
        module = name.rpartition(".")[0]
        places = sum(each is atom for dim in found.axes[name] for each in atoms(dim))
        for place in range(places):
            if on.moved(permuted(found, on, {atom: order}, name, place)) > SHOWN:
                (readers if reads(found, name, atom) else writers).add(f"{module} {place}")
                writers.update(_both(found, name))
        if writers and readers:
            return True
    return len(writers) > 1


def _both(found: Trace, name: str) -> set[str]:
    """`name`, if it is one tensor under two names, of which one writes and one reads."""
    own = found.axes[name]
    return {name} if sum(dims is own for dims in found.axes.values()) > 1 else set()


def reads(found: Trace, name: str, atom: Term) -> bool:
    """Whether a tensor is summed over along `atom`."""
    return any(each.root is atom.root for term in found.reads.get(name, ()) for each in atoms(term))


def permuted(
    found: Trace,
    on: Bench,
    orders: Mapping[Term, Tensor],
    only: str | None = None,
    place: int | None = None,
) -> dict[str, Tensor]:
    """The tensors that `orders` touch, reordered; of all, or of one alone.

    place: at the one of the places where the atom occurs in that tensor, where it does repeatedly.
    """
    changed = {}
    for name in on.tensors if only is None else (only,):
        value = on.tensors[name].detach()
        touched = False
        left = _Places(place)
        for axis, dim in enumerate(found.axes.get(name, ())):
            if any(atom in orders for atom in atoms(dim)):
                value = value.index_select(axis, _index(dim, orders, left))
                touched = True
        if touched:
            changed[name] = value
    return changed


class _Places:
    """Counts the places where an ordered atom occurs; says whether it is to be moved there."""

    def __init__(self, wanted: int | None) -> None:
        self.wanted, self.next = wanted, 0

    def here(self) -> bool:
        self.next += 1
        return self.wanted is None or self.wanted == self.next - 1


def _index(term: Term, orders: Mapping[Term, Tensor], places: _Places) -> Tensor:
    """Old position of every new one along an axis."""
    term = term.root
    if not term.parts:
        here = term in orders and places.here()
        return orders[term] if here else torch.arange(term.size)
    if term.kind == SUM:
        start, laid = 0, []
        for part in term.parts:
            laid.append(_index(part, orders, places) + start)
            start += part.size
        return torch.cat(laid)
    found = torch.zeros(1, dtype=torch.long)
    for part in term.parts:
        inner = _index(part, orders, places)
        found = (found[:, None] * part.size + inner[None]).flatten()
    return found
