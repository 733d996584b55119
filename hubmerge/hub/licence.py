"""Which licence a merge may carry, and whether it may be public.

The Hub has no rule of inheritance, so this is a policy, and a careful one: the same licence is
inherited, permissive ones are listed together, and everything else is `other`, private unless
the user decides otherwise. Not legal advice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal[
    "permissive", "copyleft", "share-alike", "non-commercial", "no-derivatives", "restricted"
]

KINDS: dict[Kind, str] = {
    "permissive": """mit apache-2.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear isc ncsa zlib
        bsl-1.0 postgresql artistic-2.0 afl-3.0 ecl-2.0 ms-pl unlicense wtfpl 0bsd cc0-1.0 pddl
        cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 odc-by cdla-permissive-1.0 cdla-permissive-2.0""",
    "copyleft": """gpl gpl-2.0 gpl-3.0 agpl-3.0 lgpl lgpl-2.1 lgpl-3.0 lgpl-lr mpl-2.0 epl-1.0
        epl-2.0 eupl-1.1 eupl-1.2 osl-3.0 ofl-1.1 lppl-1.3c gfdl odbl""",
    "share-alike": "cc-by-sa-3.0 cc-by-sa-4.0 cdla-sharing-1.0",
    "non-commercial": """cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
        cc-by-nc-sa-4.0 fair-noncommercial-research-license intel-research apple-amlr""",
    "no-derivatives": "cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0",
    "restricted": """openrail openrail++ creativeml-openrail-m bigscience-openrail-m
        bigscience-bloom-rail-1.0 bigcode-openrail-m open-mdw c-uda gemma llama2 llama3 llama3.1
        llama3.2 llama3.3 llama4 deepfloyd-if-license apple-ascl h-research""",
}
"""Licence identifiers of the Hub (https://huggingface.co/docs/hub/repositories-licenses) by what
they ask of a derived work. An identifier that is not here is unknown."""

_KIND_OF: dict[str, Kind] = {name: kind for kind, names in KINDS.items() for name in names.split()}

UNSAID = "unknown"
"""What stands for the licence of a parent that names none."""
NOTHING_SAID = ("", "other", "unknown")
"""What a model card says where it names no licence of the Hub's list."""


@dataclass(frozen=True)
class ParentLicence:
    """What one parent's model card says."""

    licenses: tuple[str, ...]
    """Identifiers; several where a parent is itself a merge, none where the card is silent."""
    license_name: str | None = None
    license_link: str | None = None
    gated: bool = False
    private: bool = False


class LicenceDecision(BaseModel):
    """What the merge's card says, and whether it may be public."""

    model_config = ConfigDict(frozen=True)

    license: str | list[str]
    license_name: str | None = None
    license_link: str | None = None
    private_by_default: bool
    public_needs_override: bool
    """Pushing publicly takes an explicit decision of the user's."""
    reason: str


def kind_of(license: str) -> Kind | None:
    """What a licence asks of a derived work; None if it is unknown."""
    return _KIND_OF.get(license.lower())


def merged_licence(parents: Iterable[ParentLicence]) -> LicenceDecision:
    """The licence of a merge. The order of the parents does not matter.

    Same licence -> inherited; all permissive -> all listed; anything else, or unknown -> `other`.
    Private by default where the licence, a gate or a private parent asks for it.
    """
    parents = list(parents)
    terms = sorted({term for parent in parents for term in _terms(parent)}, key=repr)
    names = [name for name, _ in terms]
    kinds = {kind for _, kind in terms}
    license: str | list[str]
    name = link = None
    if len(terms) == 1 and None not in kinds:
        license, reason = names[0], f"every parent is under {names[0]}"
    elif kinds == {"permissive"}:
        license, reason = names, f"every parent is under a permissive licence: {', '.join(names)}"
    else:
        license, reason = "other", _undetermined(terms)
        name = "-and-".join(names)
        link = min((p.license_link for p in parents if p.license_link), default=None)
    asked = {
        "a parent forbids sharing derived works": "no-derivatives" in kinds,
        "a parent is gated": any(parent.gated for parent in parents),
        "a parent is private": any(parent.private for parent in parents),
    }
    override = license == "other" or "no-derivatives" in kinds
    return LicenceDecision(
        license=license,
        license_name=name,
        license_link=link,
        private_by_default=override or any(asked.values()),
        public_needs_override=override,
        reason="; ".join([reason, *(words for words, holds in asked.items() if holds)]),
    )


def _undetermined(terms: Sequence[tuple[str, Kind | None]]) -> str:
    """Why no licence follows from those of the parents."""
    said = [f"{name} ({kind or 'terms not known here'})" for name, kind in terms if name != UNSAID]
    silent = len(said) < len(terms)
    if not said:
        return "no parent names its licence"
    if len(said) == 1 and not silent:
        return f"every parent is under {said[0]}"
    together = " and ".join(said)
    if silent:
        return f"a parent names no licence, and others are under {together}"
    return f"the parents' licences, {together}, do not settle that of the merge"


def _terms(parent: ParentLicence) -> list[tuple[str, Kind | None]]:
    """(name, kind) of each licence of the parent; a name of its owner's own is unknown to us."""
    own = ((parent.license_name or UNSAID).lower(), None)
    said = [name.lower() for name in parent.licenses]
    return [own if name in NOTHING_SAID else (name, kind_of(name)) for name in said] or [own]
