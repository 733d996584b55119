"""The spec of one model: derived from its configuration, without its weights."""

from __future__ import annotations

from pathlib import Path

from hubmerge.derivation.derive import Derived, derive
from hubmerge.hub.describe import describe
from hubmerge.hub.model_class import model_class
from hubmerge.hub.source import resolve
from hubmerge.hub.target import check_folder
from hubmerge.specs.family import named


def derive_spec(
    ref: str, out: Path | None = None, *, trust_remote_code: bool = False, seed: int = 0
) -> Derived:
    """The spec that is derived for the model `ref`, whether a reviewed one describes it or not.

    out: the file it is written to. seed: of the weights it is certified on.
    Raises: as `resolve`, `describe` and `derive`; TargetError, if `out` is there already.
    """
    if out is not None:
        check_folder(out)
    about = describe(resolve(ref), trust_remote_code=trust_remote_code)
    kind = model_class(about.config, about.code_folder)
    found = derive(named(about.config, kind), kind, seed)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(found.family.text, encoding="utf-8")
    return found
