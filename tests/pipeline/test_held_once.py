"""Measuring holds no tensor twice, and what it runs is what whole states would give."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hubmerge.hub.load import load
from hubmerge.models.method_context import MethodContext
from hubmerge.models.states import further_names, holds, sharing_tensors, with_state
from hubmerge.pipeline.merge_path import MergePath
from hubmerge.pipeline.parents import Parents
from hubmerge.utils.input_batches import NoBatches
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import TINY
from tests.pipeline.test_stream import parent


@pytest.mark.parametrize("name", ["llama-tied-bias", "mlp_head-layer"])
def test_points_of_a_path_are_made_in_one_model(name: str, tmp_path: Path) -> None:
    models = [load(str(parent(name, tmp_path / f"{n}", n, torch.float32))) for n in range(2)]
    states = [each.model.state_dict() for each in models]
    scratch = TINY[name].build()
    assert bool(further_names(scratch)) == ("tied" in name)
    path = MergePath(None, MethodContext(None, scratch, NoBatches(), Workers()), states)
    for lam in (0.0, 0.3, 1.0):
        expected, found = path.state(lam), path.model(lam).state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[each], expected[each]) for each in expected)
        assert path.model(lam) is scratch


def test_a_parent_in_its_own_order_is_not_copied(tmp_path: Path) -> None:
    models = tuple(
        load(str(parent("mlp_head-layer", tmp_path / f"{n}", n, torch.float32))) for n in range(2)
    )
    own = tuple(each.model.state_dict() for each in models)
    parents = Parents(models, None, own)
    assert [parents.model(number) for number in range(2)] == [each.model for each in models]
    moved = {name: value.flip(0) for name, value in own[1].items()}
    copied = Parents(models, None, (own[0], moved)).model(1)
    assert copied is not models[1].model
    assert holds(models[1].model, own[1])
    assert not holds(copied, moved)  # equal, and in memory of their own


def test_a_holder_takes_tensors_without_touching_the_model(tmp_path: Path) -> None:
    model = load(str(parent("llama-tied-bias", tmp_path / "a", 0, torch.float32))).model
    before = with_state(model, model.state_dict()).state_dict()
    holder = sharing_tensors(model)
    assert holds(holder, model.state_dict())
    state = {name: value + 1 for name, value in before.items()}
    holder.load_state_dict(state, assign=True)
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)
    assert all(torch.equal(holder.state_dict()[name], state[name]) for name in state)
