"""Synthetic images come nearer to what the parents were trained on, with the same bits anywhere."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from hubmerge.data.batches import Batches
from hubmerge.models.method_context import MethodContext
from hubmerge.repair import as_trained, batch_norms, find_repair, inversion
from hubmerge.repair.statistics import channel_statistics
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import ProbeBatch, generic, probe

ROWS = 30


@pytest.fixture(scope="module")
def trained():
    """A model, two states of it with statistics of some rows, and synthetic rows unlike them."""
    model = copy.deepcopy(generic("resnet-basic"))
    name = model.main_input_name
    rows = probe(model, rows=ROWS, seed=1)[name].float()
    context = MethodContext(None, model, [ProbeBatch({name: rows})], Workers(threads=1))
    states = [copy.deepcopy(generic("resnet-basic", seed)).float().state_dict() for seed in (0, 1)]
    model = model.float()
    measured = [find_repair("batchnorm").function(context, [s])(s, [1.0]) for s in states]
    others = 1.5 * probe(model, rows=ROWS, seed=2)[name].float() + 0.5
    made = Batches(lambda numbers: {name: others[list(numbers)]}, tuple(range(ROWS)), None)
    return model, measured, replace(made, synthetic=True)


def apart(model, state, batches):
    """How far means are from the running ones, in deviations, mean over all channels."""
    context = MethodContext(None, copy.deepcopy(model), batches, Workers(threads=1))
    seen = channel_statistics(context, state, batch_norms(model), look_at_input=True)
    off = [
        (found.mean - state[f"{name}.running_mean"]).abs() / state[f"{name}.running_var"].sqrt()
        for name, found in seen.items()
    ]
    return float(torch.cat(off).mean())


def test_parents_see_in_them_what_they_were_trained_on(trained):
    model, states, batches = trained
    changed = as_trained(batches, model, states, Workers(threads=1))
    assert changed.synthetic
    assert len(changed[0]) == ROWS
    for state in states:
        assert apart(model, state, changed) < 0.8 * apart(model, state, batches)


def test_one_thread_and_two_change_the_same_bits(trained, monkeypatch):
    model, states, batches = trained
    monkeypatch.setattr(inversion, "ROWS", 8)
    monkeypatch.setattr(inversion, "STEPS", 3)
    name = model.main_input_name
    one, two = (as_trained(batches, model, states, Workers(threads=n))[0] for n in (1, 2))
    assert torch.equal(one.inputs[name], two.inputs[name])


def test_where_it_would_take_long_images_stay_as_they_are(trained, monkeypatch):
    model, states, batches = trained
    monkeypatch.setattr(inversion, "OPERATIONS", 1e3)
    assert as_trained(batches, model, states, Workers(threads=1)) is batches
