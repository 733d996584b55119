"""The derived spec that travels with a merge: its hash, and its symmetries certified again."""

from __future__ import annotations

import copy
import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubmerge.derivation.derive import movable
from hubmerge.errors import HubmergeError
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.pipeline.report_method import SPEC_FILE
from hubmerge.specs.derived import DerivedRecord, using
from hubmerge.symmetry.laws import prove, spec_of
from hubmerge.tasks import probe_for
from hubmerge.verification.download import Merge
from hubmerge.verification.result import Check, Outcome

PART = "spec"
"""The part of a verification that speaks of the spec."""

NAME = re.compile(r"[\w-][\w.-]{0,200}")
"""Names of derived specs: no path."""


def check_spec_file(merge: Merge) -> list[Check]:
    """Whether the spec beside the weights is the one that the report speaks of."""
    said = merge.report.method.spec
    if said is None:
        return []
    name = merge.report.method.family or ""
    there = SPEC_FILE in merge.names and NAME.fullmatch(name) is not None
    found = _sha256(merge.folder / SPEC_FILE) if there else None
    right = said.sha256 == found and said.file == SPEC_FILE
    return [
        Check(
            part=PART,
            what=f"{SPEC_FILE}: its hash in the report",
            outcome=Outcome.IDENTICAL if right else Outcome.DOES_NOT_HOLD,
            said=said.sha256,
            found=found,
            why=None if there else "it is not there",
        )
    ]


@contextmanager
def spec_of_merge(merge: Merge) -> Iterator[None]:
    """Inside, models of the merge's kind have the spec that travels with it, if one does."""
    if any(check.outcome is not Outcome.IDENTICAL for check in check_spec_file(merge)):
        raise ValueError("the spec is not the one that the report speaks of")
    said = merge.report.method.spec
    if said is None:
        yield
        return
    place = Path(tempfile.mkdtemp(prefix="hubmerge-spec-"))
    try:
        name = merge.report.method.family or ""
        path = place / f"{name}.toml"
        shutil.copyfile(merge.folder / SPEC_FILE, path)
        with using(DerivedRecord(name, said.deviation, said.movable, path=path)):
            yield
    finally:
        shutil.rmtree(place, ignore_errors=True)


def certify_again(merge: Merge, model: LoadedModel) -> list[Check]:
    """Whether random elements of all symmetries of the spec leave the published model alone.

    In float64. What the report says of the share that may move is computed again as well.
    """
    said = merge.report.method.spec
    if said is None:
        return []
    what = f"{SPEC_FILE}: certified again, on the published weights"
    try:
        with spec_of_merge(merge):
            spec = spec_of(model.model)
            precise = copy.deepcopy(model.model).double().eval()
            proof = prove(precise, spec, probe_for(precise), elements=1)
    except (HubmergeError, ValueError) as error:
        return [Check(part=PART, what=what, outcome=Outcome.DOES_NOT_HOLD, why=str(error))]
    share = movable(spec)
    right = abs(share - said.movable) < 1e-6
    return [
        Check(
            part=PART,
            what=what,
            outcome=Outcome.IDENTICAL,
            found=f"outputs move by {proof.deviation:.0e}",
        ),
        Check(
            part=PART,
            what="the share of weights that may move",
            outcome=Outcome.IDENTICAL if right else Outcome.DOES_NOT_HOLD,
            said=said.movable,
            found=share,
        ),
    ]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
