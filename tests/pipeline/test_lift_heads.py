"""What lifting to one head keeps, and what filling it makes of every weighted mean."""

from __future__ import annotations

import copy

import pytest
import torch

from hubmerge.errors import LabelError
from hubmerge.fuse.layerwise.targets import heard_by
from hubmerge.fuse.methods.average import average
from hubmerge.fuse.methods.fisher import information
from hubmerge.models import shaken
from hubmerge.models.joint_head import heads_of
from hubmerge.models.method_context import Head, MethodContext
from hubmerge.pipeline.lift_heads import fill_rows, head_axes, head_module, lift_head
from hubmerge.recipe import CONCAT, JOIN
from hubmerge.symmetry.laws import spec_of
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import TINY, fresh, generic, probe, probe_batches

NAMES = (["a", "b", "c"], ["d", "b", "e"], ["c", "b", "f"])
CLASSIFIERS = [name for name in TINY if "label" in spec_of(generic(name)).spaces]
every_classifier = pytest.mark.parametrize("name", CLASSIFIERS)
every_kind = pytest.mark.parametrize("kind", [JOIN, CONCAT])


def parents(name: str) -> list:
    return [shaken(fresh(name, seed), seed).eval() for seed in range(len(NAMES))]


def lifted_of(name: str, kind: str):
    """The head of three parents, they as they were and lifted, and the spec of the latter."""
    heads, own = heads_of(kind, NAMES), parents(name)
    up = [
        lift_head(model, heads.outputs, rows) for model, rows in zip(own, heads.rows, strict=True)
    ]
    return heads, own, up, spec_of(up[0])


@every_kind
@every_classifier
def test_what_a_model_says_of_its_own_labels_stays(name, kind):
    heads, own, up, _ = lifted_of(name, kind)
    for number, (before, after) in enumerate(zip(own, up, strict=True)):
        images, known = probe(before), heads.known(number)
        with torch.no_grad():
            said, now = before(**images).logits, after(**images).logits
        assert torch.allclose(now[:, known].softmax(1), said.softmax(1), atol=1e-12)
        unknown = [output for output in range(len(heads.outputs)) if output not in known]
        assert not now[:, unknown].any()
        assert after.config.id2label == dict(enumerate(heads.outputs))
        assert after.config.num_labels == len(heads.outputs)


@every_classifier
def test_all_but_the_head_is_shared_and_the_model_itself_is_as_it_was(name):
    model = generic(name)
    before = copy.deepcopy(model.state_dict())
    up = lift_head(model, ["b", "a", "c", "d"], [1, 0, 2, None])
    own, above = model.state_dict(), up.state_dict()
    assert all(torch.equal(value, before[key]) for key, value in own.items())
    for key in set(own) - set(head_axes(spec_of(up))):
        assert above[key].data_ptr() == own[key].data_ptr()


@every_kind
@every_classifier
def test_a_row_that_one_parent_knows_is_its_own_in_every_mean(name, kind):
    heads, _, up, spec = lifted_of(name, kind)
    states = [model.state_dict() for model in up]
    full = fill_rows(spec, states, heads.rows, (0.2, 0.5, 0.3))
    mean = average(full, (0.2, 0.5, 0.3))
    for key, axis in head_axes(spec).items():
        for output in range(len(heads.outputs)):
            owners = [n for n, rows in enumerate(heads.rows) if rows[output] is not None]
            rows = [states[n][key].select(axis, output) for n in owners]
            found = mean[key].select(axis, output)
            if len(owners) == 1:
                assert torch.equal(found, rows[0])
            weights = torch.tensor([(0.2, 0.5, 0.3)[n] for n in owners], dtype=torch.float64)
            expected = torch.tensordot(weights / weights.sum(), torch.stack(rows), 1)
            assert torch.allclose(found, expected)


def test_what_weighs_nothing_is_still_known():
    heads, _, up, spec = lifted_of("mlp_head-none", JOIN)
    states = [model.state_dict() for model in up]
    mean = average(fill_rows(spec, states, heads.rows, (1.0, 0.0, 0.0)), (1.0, 0.0, 0.0))
    assert torch.equal(mean["classifier.weight"][3], states[1]["classifier.weight"][3])


def test_what_a_base_does_not_know_adds_nothing_to_a_task_vector():
    heads, _, up, spec = lifted_of("mlp_head-none", JOIN)
    rows = heads.rows_of(["b", "z", "y"])
    base = lift_head(generic("mlp_head-none", 9), heads.outputs, rows)
    states = [model.state_dict() for model in (*up, base)]
    *tuned, base = fill_rows(spec, states, (*heads.rows, rows), (1 / 3, 1 / 3, 1 / 3))
    key = "classifier.weight"
    alone = [
        output
        for output, owners in enumerate(zip(*heads.rows, strict=True))
        if sum(row is not None for row in owners) == 1
    ]
    assert len(alone) == 4
    for state in tuned:
        assert torch.equal(state[key][alone], base[key][alone])
    assert torch.equal(base[key][1], states[-1][key][1])
    assert not torch.equal(tuned[0][key][1], base[key][1])


def test_a_head_is_named_by_the_spec_or_refused():
    assert head_module(spec_of(generic("resnet-basic"))) == "classifier.1"
    with pytest.raises(LabelError, match="no space says"):
        head_module(spec_of(generic("gpt2")))


def bench_of(name: str):
    heads, own, up, spec = lifted_of(name, JOIN)
    known = torch.tensor([[row is not None for row in rows] for rows in heads.rows])
    full = fill_rows(spec, [model.state_dict() for model in up], heads.rows, (1 / 3, 1 / 3, 1 / 3))
    work = MethodContext(
        None,
        up[0],
        probe_batches(own[0]),
        Workers(threads=1),
        head=Head(head_module(spec), known),
    )
    return own, full, work


def test_the_information_of_a_parent_is_that_of_its_own_predictions():
    own, full, work = bench_of("mlp_head-none")
    for number, model in enumerate(own):
        alone = MethodContext(None, copy.deepcopy(model), work.batches, work.workers)
        wanted = information(model.state_dict(), alone)
        found = information(full[number], work, known=work.head.known[number])
        for key in wanted:
            if not key.startswith("classifier"):
                assert torch.allclose(found[key], wanted[key], rtol=1e-8)


def test_an_output_is_heard_from_those_who_know_it():
    _, _, work = bench_of("mlp_head-none")
    heard = heard_by([0.2, 0.5, 0.3], [0, 1, 2], work)["classifier"].squeeze(1)
    assert torch.allclose(heard.sum(0), torch.ones(6, dtype=torch.float64))
    assert heard[:, 0].tolist() == [1, 0, 0]
    assert torch.allclose(heard[:, 1], torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64))
    assert torch.allclose(heard[:, 2], torch.tensor([0.4, 0, 0.6], dtype=torch.float64))
    none = heard_by([1.0], [0], work)["classifier"].squeeze(1)
    assert none.tolist() == [[1.0] * 6]
