"""From a configuration and a class to a certified spec of its models."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import transformers
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

import hubmerge.derivation.rules  # noqa: F401  registers the rules of operations
from hubmerge.derivation.axes import Expression, Leaf, expression_of
from hubmerge.derivation.budget import timed
from hubmerge.derivation.certify import Certificate, bench, certify, free_atoms, run
from hubmerge.derivation.experts import propose_experts
from hubmerge.derivation.fields import Fields
from hubmerge.derivation.fold import Folder
from hubmerge.derivation.sheet import Sheet
from hubmerge.derivation.terms import atoms
from hubmerge.derivation.trace import Trace, trace
from hubmerge.derivation.twin import Twin, tied_in, twins
from hubmerge.derivation.upgrade import upgrade
from hubmerge.derivation.watches import watch
from hubmerge.derivation.write import write
from hubmerge.errors import DerivationError, HubmergeError, ResourceError
from hubmerge.specs.bind import bind
from hubmerge.specs.family import Family
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.laws import prove


@dataclass(frozen=True)
class Derived:
    """A spec that wrote itself.

    family: as its file says. spec: bound to the real model. deviation: how far random elements of
    all its symmetries move the twin's outputs. movable: share of the model's numbers in tensors
    that some free space touches. pinned: why axes stay as they are -> how many numbers lie along
    nothing else. without_effect: tensors that say nothing.
    """

    family: Family
    spec: Spec
    deviation: float
    movable: float
    pinned: Mapping[str, int]
    without_effect: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What screen, report and card say of it."""
        return (
            f"derived, certified at {self.deviation:.0e}, "
            f"{f'{self.movable:.2f}'.removeprefix('0')} of all weights movable"
        )


def derive(config: PreTrainedConfig, kind: type[PreTrainedModel], seed: int = 0) -> Derived:
    """The spec of the models that `kind` makes of `config`, derived from a twin.

    Raises: DerivationError, if there is no twin, nothing is certified, or what was found does not
    describe the real model; FamilyError, if no input is known for it; ResourceError, if it takes
    longer, or more memory, than it may.
    """
    first: DerivationError | None = None
    with timed(kind.__name__):
        for twin in twins(config, kind, seed):
            try:
                return derive_of(replace(twin, real_config=config), kind, seed)
            except DerivationError as error:
                first = first or error
            except ResourceError:
                if first is not None:
                    raise first from None
                raise
    assert first is not None
    raise first


def derive_of(twin: Twin, kind: type[nn.Module], seed: int = 0) -> Derived:
    """The spec of the models that `twin` stands for, and `kind` makes. Raises: as `derive`."""
    found = trace(twin.model, lambda: run(twin), twin.tensors)
    propose_experts(found)
    on = bench(twin)
    certificate = certify(found, on, seed)
    if not free_atoms(found):
        raise DerivationError(
            f"nothing in a {kind.__name__} was found that may be reordered",
            found=_reasons(found) or None,
        )
    sheet = _sheet(twin, found, kind)

    def bound() -> Spec:
        return bind(_family(sheet, small=True), twin.config, twin.shapes)

    upgrade(sheet, twin, found, bound)
    watch(sheet, found)
    try:
        proof = prove(twin.model, bound(), twin.inputs, elements=1, seed=seed)
        real = bind(_family(sheet), twin.real_config, twin.real_shapes)
    except HubmergeError as error:
        raise DerivationError(
            f"what was found in a small {kind.__name__} does not describe the real one",
            found=f"{error.what}: {error.found}",
            source=error.source,
            hint="write a spec by hand: docs/spec.md",
        ) from error
    deviation = max(proof.deviation, certificate.deviation)
    pinned = _pinned(found)
    sheet.comments = _comments(kind, twin, certificate, deviation, pinned, real)
    family = _family(sheet)
    return Derived(family, real, deviation, movable(real), pinned, certificate.without_effect)


def movable(spec: Spec) -> float:
    """Share of all numbers that lie in tensors which a free space touches."""
    sizes = {name: _count(layout.sizes) for name, layout in spec.tensors.items()}
    total = sum(n for name, n in sizes.items() if name not in spec.tied)
    free = set(spec.free_spaces())
    moved = sum(
        n
        for name, n in sizes.items()
        if name not in spec.tied and free.intersection(spec.tensors[name].names())
    )
    return moved / total if total else 0.0


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _sheet(twin: Twin, found: Trace, kind: type[nn.Module]) -> Sheet:
    state = twin.model.state_dict(keep_vars=True)
    buffers = frozenset(dict(twin.model.named_buffers())).intersection(state)
    lines: dict[str, list[Expression]] = {}
    for name, tensor in state.items():
        if name in found.axes:
            lines[name] = [expression_of(term) for term in found.axes[name]]
        else:
            lines[name] = [
                Leaf((hash((name, number)),), size, "it is no floating tensor")
                for number, size in enumerate(tensor.shape)
            ]
    fields = Fields(twin.config, twin.real_config)
    parts = Folder(lines, buffers, twin.real_shapes, fields).fold()
    tied = tied_in(twin.model)
    return Sheet(
        twin.config.model_type,
        kind.__name__,
        parts,
        {name: other for name, other in tied.items() if name in lines and other in lines},
    )


def _family(sheet: Sheet, *, small: bool = False) -> Family:
    text = write(sheet, small=small)
    name = f"{sheet.model_type}-{sheet.architecture}"
    return Family(
        name=name, path=Path("derived") / f"{name}.toml", text=text, **tomllib.loads(text)
    )


def _pinned(found: Trace) -> dict[str, int]:
    reasons: dict[str, int] = {}
    seen = set()
    for dims in found.axes.values():
        for dim in dims:
            for atom in atoms(dim):
                if atom.why and atom.size > 1 and atom not in seen:
                    seen.add(atom)
                    reasons[atom.why] = reasons.get(atom.why, 0) + 1
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _reasons(found: Trace) -> str:
    return "\n".join(f"{why}: {count} axes" for why, count in _pinned(found).items())


def _comments(
    kind: type[nn.Module],
    twin: Twin,
    certificate: Certificate,
    deviation: float,
    pinned: Mapping[str, int],
    real: Spec,
) -> list[str]:
    lines = [
        f"{kind.__name__}, derived by hubmerge from one traced forward of a small model of "
        f"{twin.parameters:,}",
        f"parameters, and certified on it in float64: random elements of all symmetries move its "
        f"outputs by {deviation:.0e}.",
        f"{movable(real):.3f} of the model's numbers lie in tensors that may move. "
        f"transformers {transformers.__version__}, torch {torch.__version__}.",
    ]
    if pinned:
        lines += ["", "What stays in order, and why (axes):"]
        lines += [f"  {count:4}  {why}" for why, count in pinned.items()]
    if certificate.without_effect:
        lines += ["", "Without effect on the outputs:"]
        lines += [f"  {name}" for name in certificate.without_effect[:20]]
        if len(certificate.without_effect) > 20:
            lines.append(f"  and {len(certificate.without_effect) - 20} more")
    return lines
