"""Checking a family's spec against one model, with its weights or from its config alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from transformers import PreTrainedModel

from hubmerge.derivation.ensure import ensure_spec
from hubmerge.hub.describe import describe
from hubmerge.hub.load import load
from hubmerge.hub.model_class import made_of, model_class
from hubmerge.hub.source import Source, resolve
from hubmerge.models.probe import shaken
from hubmerge.specs.spec import PERMUTE, Space
from hubmerge.symmetry.laws import TOLERANCE, Proof, prove, spec_of
from hubmerge.tasks import probe_for
from hubmerge.utils.tables import columns

ELEMENTS = 4
"""Random elements of all free spaces that a check applies."""


def check_model(
    ref: str, *, config_only: bool = False, trust_remote_code: bool = False, seed: int = 0
) -> Proof:
    """Proves the spec of the model `ref` on shaken weights, in float64.

    config_only: do not download or load its weights, which proves the same of its family.
    Raises: FamilyError, SpecError; LawError, if the outputs move.
    """
    if config_only:
        model = _built(ref, trust_remote_code)
    else:
        model = load(ref, trust_remote_code=trust_remote_code).model
    ensure_spec(model)
    spec = spec_of(model)
    precise = shaken(model, seed).double().eval()
    return prove(precise, spec, probe_for(precise, seed=seed), elements=ELEMENTS, seed=seed)


def _built(ref: str, trust_remote_code: bool) -> PreTrainedModel:
    path = Path(ref)
    if path.is_dir():  # which need not hold weights
        source = Source(ref, path.resolve().name, "local", None, path.resolve())
    else:
        source = resolve(ref)
    found = describe(source, trust_remote_code=trust_remote_code, weightless=True)
    with made_of(found):
        return model_class(found.config, found.code_folder)(found.config)


def proof_text(proof: Proof, ref: str) -> str:
    """The proof in words, and every free space with its size."""
    free = proof.spec.free_spaces()
    rows = [
        (name, str(size), "  ".join(_restrictions(proof.spec.spaces[name])))
        for name, size in free.items()
    ]
    lines = [
        f"{ref}: family {proof.spec.family} ({proof.spec.source})",
        f"{proof.elements} random elements of all free spaces moved its outputs by at most "
        f"{proof.deviation:.1e} of their size (float64; {TOLERANCE:.0e} is allowed)",
        f"{len(free)} free spaces:",
        *([columns(rows, right=[1], indent=2)] if rows else []),
    ]
    if batch := sum(norm.batch for norm in proof.spec.behind):
        lines.append(f"what enters {batch} batch norms may be scaled, and its sign flipped")
    return "\n".join(lines)


def _restrictions(space: Space) -> Iterator[str]:
    """What `space` may do, where it is not any permutation."""
    if space.may != PERMUTE:
        yield f"may {space.may}"
    if space.within:
        yield f"within {space.within}"


def proof_json(proof: Proof) -> str:
    """The same as JSON."""
    said = {
        "family": proof.spec.family,
        "deviation": proof.deviation,
        "tolerance": TOLERANCE,
        "elements": proof.elements,
        "free_spaces": proof.spec.free_spaces(),
        "mapped_spaces": proof.spec.mapped_spaces(),
    }
    return json.dumps(said, indent=2)
