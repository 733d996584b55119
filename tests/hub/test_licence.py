"""The licence policy, by its laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubmerge.hub.licence import KINDS, ParentLicence, kind_of, merged_licence

KNOWN = [name for names in KINDS.values() for name in names.split()]
PERMISSIVE = KINDS["permissive"].split()
STRICT = [name for name in KNOWN if name not in PERMISSIVE]

parents = st.builds(
    ParentLicence,
    licenses=st.lists(st.sampled_from([*KNOWN, "other", "unheard-of"]), max_size=2).map(tuple),
    license_name=st.none() | st.sampled_from(["mit", "my-licence"]),
    license_link=st.none() | st.just("https://example.org/licence"),
    gated=st.booleans(),
    private=st.booleans(),
)


def one(name: str) -> ParentLicence:
    return ParentLicence((name,))


@given(parents, parents)
def test_the_order_of_the_parents_does_not_matter(a: ParentLicence, b: ParentLicence) -> None:
    assert merged_licence([a, b]) == merged_licence([b, a])


@pytest.mark.parametrize("name", KNOWN)
def test_a_model_merged_with_its_like_keeps_its_licence(name: str) -> None:
    decision = merged_licence([one(name), one(name)])
    assert decision.license == name
    assert decision.public_needs_override == (kind_of(name) == "no-derivatives")


def test_no_licence_is_listed_twice() -> None:
    assert len(KNOWN) == len(set(KNOWN))


@given(st.sampled_from(PERMISSIVE), st.sampled_from(PERMISSIVE))
def test_permissive_licences_are_listed_together(a: str, b: str) -> None:
    decision = merged_licence([one(a), one(b)])
    assert decision.license == (a if a == b else sorted([a, b]))
    assert not decision.private_by_default
    assert not decision.public_needs_override


@given(st.sampled_from(STRICT), st.sampled_from(KNOWN))
def test_what_is_strict_never_becomes_permissive(strict: str, other: str) -> None:
    decision = merged_licence([one(strict), one(other)])
    assert decision.license in (strict, "other")
    if strict != other:
        assert decision.license == "other"
        assert decision.public_needs_override
        assert decision.private_by_default
        assert decision.license_name is not None
        assert strict in decision.license_name


@given(parents)
def test_what_is_unknown_stays_unknown(other: ParentLicence) -> None:
    for unknown in (ParentLicence(()), one("other"), one("unheard-of")):
        decision = merged_licence([unknown, other])
        assert decision.license == "other"
        assert decision.public_needs_override


def test_a_licence_of_one_s_own_named_like_another_is_unknown() -> None:
    spoof = ParentLicence(("other",), license_name="mit", license_link="https://example.org/mit")
    decision = merged_licence([spoof, one("mit")])
    assert decision.license == "other"
    assert decision.license_link == "https://example.org/mit"


@given(parents, parents)
def test_a_gate_or_a_private_parent_makes_it_private(a: ParentLicence, b: ParentLicence) -> None:
    decision = merged_licence([a, b])
    if a.gated or b.gated or a.private or b.private:
        assert decision.private_by_default
    assert decision.private_by_default or not decision.public_needs_override


@given(st.sampled_from(PERMISSIVE), st.sampled_from(PERMISSIVE), st.sampled_from(KNOWN))
def test_merging_a_merge_keeps_all_its_licences(a: str, b: str, c: str) -> None:
    first = merged_licence([one(a), one(b)]).license
    again = ParentLicence(tuple(first) if isinstance(first, list) else (first,))
    assert merged_licence([again, one(c)]) == merged_licence([one(a), one(b), one(c)])
