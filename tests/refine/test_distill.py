"""What distillation owes: nearer to the parents' mean on rows it has not seen, the same bytes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from hubmerge.models import MlpHeadForClassification
from hubmerge.models.method_context import MethodContext
from hubmerge.refine import Refined, distill, lessons
from hubmerge.refine.distill import sizes
from hubmerge.symmetry.permutation import State
from hubmerge.training import trainer
from hubmerge.training.midpoint_loss import ParentModels
from hubmerge.training.targets import divergence
from hubmerge.utils.checkpoint_store import CheckpointStore
from hubmerge.utils.workers import Workers
from tests.helpers import zoo
from tests.helpers.small_models import tiny_vit

STEPS = 60


@dataclass(frozen=True)
class Rows:
    inputs: dict[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


@dataclass(frozen=True)
class Heads:
    """Two heads with batch norms, trained on the digits; rows to learn from, choose by, report."""

    model: MlpHeadForClassification
    states: list[State]
    learned: Tensor
    watched: Tensor
    unseen: Tensor

    @property
    def average(self) -> dict[str, Tensor]:
        """Unmatched."""
        first, last = self.states
        floating = {n for n, value in first.items() if value.is_floating_point()}
        return {n: (v + last[n]) / 2 if n in floating else v for n, v in first.items()}

    def context(
        self, learned: Tensor, threads: int = 1, store: CheckpointStore | None = None
    ) -> MethodContext:
        calibration, validation = (
            [Rows({"features": part}) for part in rows.split(100)]
            for rows in (learned, self.watched)
        )
        model, workers = copy.deepcopy(self.model), Workers(threads=threads)
        return MethodContext(None, model, calibration, workers, validation, store)

    def refined(self, start: State, **given: object) -> Refined:
        return distill(start, self.states, self.context(self.learned, **given), steps=STEPS)


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Heads:
    splits = zoo.feature_rows()
    folders = zoo.train_heads(splits, tmp_path_factory.mktemp("heads"))
    models = [MlpHeadForClassification.from_pretrained(place).eval() for place in folders.values()]
    train, test = (torch.tensor(splits[name]["embedding"]) for name in ("train", "test"))
    states = [model.state_dict() for model in models]
    return Heads(models[0], states, train[:400], test[:150], test[150:])


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation is looked at after every 20 steps."""
    monkeypatch.setattr(trainer, "CHECK", 20)


def apart(heads: Heads, state: State) -> float:
    """Divergence from the parents' mean on the rows nobody has seen, by running statistics."""
    model, rows = copy.deepcopy(heads.model), {"features": heads.unseen}
    model.load_state_dict(dict(state))
    wanted = ParentModels(model, heads.states, Workers(threads=1)).say(rows)
    with torch.no_grad():
        return float(divergence(model.eval()(**rows).logits, wanted)) / len(wanted)


def same(first: State, last: State) -> bool:
    return all(torch.equal(value, last[name]) for name, value in first.items())


def test_a_merge_comes_nearer_to_the_parents_mean_on_rows_it_has_not_seen(heads: Heads) -> None:
    start = heads.average
    found = heads.refined(start)
    assert found.divergence_after < found.divergence_before
    assert apart(heads, found.state) < apart(heads, start)
    assert 0 < found.best_step <= found.steps == STEPS
    assert {n for n in start if not torch.equal(start[n], found.state[n])} == {
        name for name, _ in heads.model.named_parameters()
    }


def test_the_second_course_begins_where_the_first_was_best(heads: Heads) -> None:
    def learnt(start: State, *rates: float) -> Refined:
        rows, steps = heads.context(heads.learned), STEPS * len(rates)
        return distill(start, heads.states, rows, steps=steps, rates=rates)

    first = learnt(heads.average, 1e-2)
    second, both = learnt(first.state, 1e-3), learnt(heads.average, 1e-2, 1e-3)
    assert min(first.best_step, second.best_step) > 0, "one of the courses brought nothing"
    assert same(second.state, both.state)
    assert both.best_step == STEPS + second.best_step


def test_rows_that_do_not_belong_to_the_task_are_noticed(heads: Heads) -> None:
    noise = 30 * torch.randn(400, 64, generator=torch.Generator().manual_seed(0))
    start = heads.states[0]
    found = distill(start, heads.states, heads.context(noise), steps=STEPS, rates=[0.1])
    assert found.best_step == 0
    assert found.divergence_after == found.divergence_before
    assert same(start, found.state)


def test_the_same_bytes_on_one_thread_and_two(heads: Heads) -> None:
    one, two = (heads.refined(heads.average, threads=threads) for threads in (1, 2))
    assert one.outcome == two.outcome
    assert same(one.state, two.state)


def test_work_that_was_stopped_goes_on_to_the_same_end(
    heads: Heads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, taken = heads.refined(heads.average), []
    slope, store = trainer.Midpoint.slope, CheckpointStore(tmp_path)

    def counted(self: trainer.Midpoint, *given: object) -> object:
        taken.append(1)
        if len(taken) == 30:
            raise KeyboardInterrupt
        return slope(self, *given)

    monkeypatch.setattr(trainer.Midpoint, "slope", counted)
    with pytest.raises(KeyboardInterrupt):
        heads.refined(heads.average, store=store)
    resumed = heads.refined(heads.average, store=store)
    assert len(taken) == 30 + STEPS - 20  # the first 20 were kept
    assert resumed == Refined(**{**vars(whole), "state": resumed.state})
    assert same(whole.state, resumed.state)


def test_three_parents_teach_their_mean(heads: Heads) -> None:
    said = [torch.softmax(heads_logits(heads, state) / 2, -1) for state in heads.states]
    three = [heads.states[0], heads.states[1], heads.states[1]]
    parents = ParentModels(heads.model, three, Workers(threads=1))
    found = parents.say({"features": heads.unseen})
    torch.testing.assert_close(found, (said[0] + 2 * said[1]) / 3)


def heads_logits(heads: Heads, state: State) -> Tensor:
    model = copy.deepcopy(heads.model)
    model.load_state_dict(dict(state))
    with torch.no_grad():
        return model.eval()(features=heads.unseen).logits


SIZES = {"vocab_size": 12, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}


def test_a_step_moves_every_tensor_by_the_same_share_of_its_size() -> None:
    model = GPT2LMHeadModel(GPT2Config(**SIZES))
    state = {
        n: torch.full_like(v, 0.0 if "bias" in n else 3.0) for n, v in model.named_parameters()
    }
    found = sizes(model, state)
    assert set(found) == set(state)  # the tied head once
    assert {size for name, size in found.items() if "bias" in name} == {1e-3}
    assert {size for name, size in found.items() if "bias" not in name} == {3.0}


def test_a_layer_eight_times_as_large_moves_eight_times_as_far(heads: Heads) -> None:
    """Before a batch norm its size means nothing: the network is the same, and learns alike."""
    start, layer = heads.average, "layers.0.linear"
    larger = start | {name: 8 * start[name] for name in (f"{layer}.weight", f"{layer}.bias")}
    moved, other = heads.refined(start), heads.refined(larger)
    assert moved.best_step == other.best_step > 0
    name = f"{layer}.weight"
    change, scaled = moved.state[name] - start[name], (other.state[name] - larger[name]) / 8
    assert float((scaled - change).norm()) < 0.05 * float(change.norm())


def test_what_is_looked_at_says_which_step_of_which_course_is_kept(heads: Heads) -> None:
    context = heads.context(heads.learned)

    def best_step(*looks: float) -> int:
        """What is seen at the start, after 20 and after 30 steps, and the same of the second."""
        seen = iter(looks)
        found = distill(heads.average, heads.states, context, steps=60, look=lambda _: next(seen))
        assert found.steps == 60
        assert same(found.state, heads.average) == (found.best_step == 0)
        return found.best_step

    assert best_step(1.0, 3.0, 0.5, 1.0, 0.6, 2.0) == 30
    assert best_step(1.0, 3.0, 0.5, 1.0, 0.4, 2.0) == 30 + 20
    assert best_step(1.0, 1.0, 1.0, 1.0, 1.0, 1.0) == 0


def test_a_single_step_is_one_of_the_last_course(heads: Heads) -> None:
    found = distill(heads.average, heads.states, heads.context(heads.learned), steps=1)
    assert found.steps == 1


def test_texts_look_alike_in_every_epoch_so_parents_are_asked_once() -> None:
    model = GPT2LMHeadModel(GPT2Config(**SIZES)).eval()
    batches: Sequence[Rows] = [Rows({"input_ids": torch.randint(0, 12, (50, 8))}) for _ in range(2)]
    context = MethodContext(None, model, batches, Workers(threads=1), batches)
    order = lessons([model.state_dict()], context, 0).order()
    assert len({next(order).view for _ in range(4 * len(batches))}) == len(batches)


def test_tied_tensors_stay_one() -> None:
    torch.manual_seed(0)
    models = [GPT2LMHeadModel(GPT2Config(**SIZES)).eval() for _ in range(2)]
    batches: Sequence[Rows] = [Rows({"input_ids": torch.randint(0, 12, (30, 8))})]
    context = MethodContext(None, models[0], batches, Workers(threads=1), batches)
    states = [copy.deepcopy(model.state_dict()) for model in models]
    found = distill(states[0], states, context, steps=20, rates=[1e-2])
    assert found.best_step
    assert torch.equal(found.state["lm_head.weight"], found.state["transformer.wte.weight"])
    assert not torch.equal(found.state["lm_head.weight"], states[0]["lm_head.weight"])


def test_parents_are_asked_about_a_blend_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_vit(0).eval()
    parents = [model.state_dict(), tiny_vit(1).state_dict()]
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    rows = [Rows({"pixel_values": images})]
    sampler = lessons(parents, MethodContext(None, model, rows, Workers(threads=1), rows), 0)
    asked: list[int] = []
    say = ParentModels.say

    def counted(self: ParentModels, inputs: Mapping[str, Tensor]) -> Tensor:
        asked.append(len(inputs["pixel_values"]))
        return say(self, inputs)

    monkeypatch.setattr(ParentModels, "say", counted)
    courses = [
        [(sampler.inputs(lesson), sampler.wanted(lesson)) for lesson in islice(sampler.order(), 3)]
        for _ in range(2)
    ]
    assert asked == [6, 6, 6]
    teachers = ParentModels(model, parents, Workers(threads=1))
    for shown, wanted in courses[0] + courses[1]:
        torch.testing.assert_close(say(teachers, shown), wanted)
    assert not torch.equal(courses[0][0][1], courses[0][1][1])
