"""Families x methods, for the families that the other modules here leave out."""

from __future__ import annotations

import pytest

from hubmerge.matching import matchers
from hubmerge.matching.registry import NOTHING
from hubmerge.utils.workers import Workers
from tests.conformance import test_identity_law, test_laws, test_recovery, test_registered
from tests.conformance.test_families import OTHERS

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("name", OTHERS)]

WORKERS = Workers(threads=1)


@pytest.mark.parametrize("method", matchers())
def test_matchers(name, method):
    laws = test_registered
    laws.test_matching_a_model_with_itself_moves_nothing_that_matters(name, method, WORKERS)
    if method != "activations-information":  # whose bins may fall otherwise the other way round
        laws.test_swapping_the_models_inverts_the_match(name, method, WORKERS)
    laws.test_a_match_names_every_free_space_and_gives_permutations_and_maps(name, method, WORKERS)


@pytest.mark.parametrize("method", [m.name for m in matchers().values() if m.looks_at == NOTHING])
def test_matchers_that_need_no_data_recover_a_planted_symmetry(name, method):
    test_recovery.test_so_does_every_matcher_that_needs_no_data(name, method)


def test_a_forgotten_line_is_found_out_and_its_space_named(name):
    test_laws.test_a_forgotten_line_is_found_out_and_its_space_named(name)


@pytest.mark.parametrize("method", matchers())
def test_a_model_merged_with_itself_is_that_model_to_the_bit(name, method):
    test_identity_law.test_a_model_merged_with_itself_is_that_model_to_the_bit(name, method)


def test_least_squares_and_repairs_leave_what_all_agree_on(name):
    test_identity_law.test_least_squares_and_repairs_leave_what_all_agree_on(name)
