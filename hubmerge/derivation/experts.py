"""The order of experts, which a trace cannot see: routing turns positions into numbers and back.

What the shapes suggest is proposed: stacked experts, and what routes to them, in one order. The law
decides, as of every other axis.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hubmerge.derivation.terms import Term, atoms, factors, product
from hubmerge.derivation.trace import Trace

MODULE = re.compile(r"^(.*)\.experts\.(expert_)?\d+\.")
"""A tensor of an expert that is a module of its own, in the module that routes to it."""

APART = "experts are modules of their own, and a space runs along axes of tensors"


def propose_experts(found: Trace) -> None:
    """Frees the axis of stacked experts with that of their router, in the axes of `found`.

    A router stands in the module that holds the experts: its tensors' first axis is as long. Where
    it chooses groups first, the order is one of groups, and one within them. The order of experts
    that are modules of their own is none of a spec's; what pins their router's rows says so.
    """
    for home, stacked in _stacks(found).items():
        count = found.axes[stacked[0]][0].size
        routing = [
            name
            for name, dims in found.axes.items()
            if name.startswith(f"{home}.") and name not in stacked and dims and _is(dims[0], count)
        ]
        if not routing or any(found.axes[name][0].size != count for name in stacked):
            continue
        groups = next((g for name in routing if len(g := factors(found.axes[name][0])) > 1), [])
        order = product(Term(group.size) for group in groups) if groups else Term(count)
        for name in (*stacked, *routing):
            found.axes[name][0] = order
    _say_why(found)


def _say_why(found: Trace) -> None:
    homes: dict[str, set[str]] = {}
    for name in found.axes:
        if expert := MODULE.match(name):
            homes.setdefault(expert[1], set()).add(name.split(".experts.")[1].split(".")[0])
    for home, experts in homes.items():
        for name, dims in found.axes.items():
            router = name.startswith(f"{home}.") and ".experts." not in name
            if router and dims and _is(dims[0], len(experts)):
                for atom in atoms(dims[0]):
                    atom.why = APART


def _stacks(found: Trace) -> dict[str, list[str]]:
    """By the module around them: tensors that hold something of every expert along axis 0."""
    homes: dict[str, list[str]] = {}
    for module in dict.fromkeys(_modules(found)):
        inside = [name for name in found.axes if name.rpartition(".")[0] == module]
        count = max(found.axes[name][0].size for name in inside if found.axes[name])
        same = [name for name in inside if found.axes[name] and _is(found.axes[name][0], count)]
        homes[module.rpartition(".")[0]] = same
    return {home: names for home, names in homes.items() if home and names}


def _modules(found: Trace) -> Iterator[str]:
    """Modules with parameters of their own of three axes, the first pinned."""
    for name, dims in found.axes.items():
        module = name.rpartition(".")[0]
        if len(dims) == 3 and "expert" in module and _is(dims[0], dims[0].size):
            yield module


def _is(term: Term, count: int) -> bool:
    pinned = all(atom.why is not None for atom in atoms(term))
    return term.root.size == count > 1 and pinned
