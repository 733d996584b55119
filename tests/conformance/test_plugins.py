"""The conformance tests hold for what a plugin adds as for what comes with hubmerge."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from transformers import ViTConfig

from hubmerge.fuse import fusions
from hubmerge.landscape.curves import curves
from hubmerge.matching import matchers
from hubmerge.matching.multi import multi_matchers
from hubmerge.registry import allow_plugins
from hubmerge.repair import repairs
from hubmerge.specs.family import load_families
from hubmerge.tasks import task_of
from hubmerge.utils.workers import Workers
from tests.conformance import test_fusions, test_laws, test_registered
from tests.helpers import plugin
from tests.helpers.tiny import EVERY, TINY, tiny_models
from tests.matching.multi import test_multi

MODEL = "mlp_head-none"


@pytest.fixture(autouse=True)
def extras(tmp_path, monkeypatch):
    """The plugin of docs/plugins.md, on the path of this process."""
    monkeypatch.syspath_prepend(str(plugin.install(tmp_path / "site")))
    allow_plugins(None)
    yield
    monkeypatch.undo()
    allow_plugins(None)


@pytest.fixture
def ijepa(monkeypatch):
    """The name of the tiny model of the plugin's family."""
    for name, tiny in tiny_models(load_families().named("ijepa")).items():
        for models in (EVERY, TINY):
            monkeypatch.setitem(models, name, tiny)
    return "ijepa"


def test_what_the_tests_run_over_holds_the_plugins_methods():
    for registered in (fusions, matchers, multi_matchers, repairs, curves):
        names = plugin.entry_points()[registered.__name__]
        assert list(registered())[-len(names) :] == names


def test_its_matcher_conforms():
    workers = Workers(threads=1)
    for law in (
        test_registered.test_matching_a_model_with_itself_moves_nothing_that_matters,
        test_registered.test_swapping_the_models_inverts_the_match,
        test_registered.test_matching_is_deterministic_and_leaves_its_inputs_alone,
        test_registered.test_a_match_names_every_free_space_and_gives_permutations_and_maps,
        test_registered.test_matching_lines_two_strangers_up_better_than_chance,
    ):
        law(MODEL, "best-of-three", workers)


def test_its_repair_conforms():
    test_registered.test_repairs_leave_the_ends_alone_and_keep_types(
        MODEL, "norms", Workers(threads=1)
    )


def test_its_multi_matcher_conforms():
    test_multi.test_planted_symmetries_of_one_model_are_recovered(MODEL, "chain")


def test_its_fusion_conforms():
    test_fusions.test_it_is_deterministic_and_keeps_names_types_and_its_inputs(MODEL, "median")
    test_fusions.test_a_model_fused_with_itself_is_the_same_function(MODEL, "median")
    test_fusions.test_parents_may_be_given_in_any_order(MODEL, "median")
    test_fusions.test_what_all_parents_agree_on_stays(MODEL, "median")
    test_fusions.test_reordering_all_models_alike_reorders_the_result(MODEL, "median")


def test_its_family_conforms(ijepa):
    test_laws.test_it_is_bound_to_the_family_it_belongs_to(ijepa)
    test_laws.test_every_family_finds_its_freedom(ijepa)
    test_laws.test_permuting_leaves_the_function_alone(ijepa)
    test_laws.test_every_space_matters(ijepa)
    test_laws.test_activations_live_where_the_spec_watches_them(ijepa)
    test_laws.test_every_free_space_is_watched(ijepa)


def test_its_task_accepts_its_models():
    own = SimpleNamespace(model_type="small_cnn", architectures=["SmallCnnForImageClassification"])
    assert task_of(own).name == "small-cnn-classification"
    assert task_of(ViTConfig(architectures=["ViTForImageClassification"])).pipeline_tag == (
        "image-classification"
    )


def test_everything_it_registers_says_what_it_is_and_where_it_is_from():
    for registered in (fusions, matchers, multi_matchers, repairs, curves):
        for name in plugin.entry_points()[registered.__name__]:
            test_registered.test_everything_registered_says_what_it_is_and_where_it_is_from(
                registered()[name]
            )
