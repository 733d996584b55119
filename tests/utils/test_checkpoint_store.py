"""Unfinished work is found again whole, or not at all."""

from __future__ import annotations

import torch

from hubmerge.utils.checkpoint_store import KEPT, CheckpointStore, fingerprint


def test_what_is_put_there_is_taken_from_there(tmp_path):
    checkpoints = CheckpointStore(tmp_path / "new")
    assert checkpoints.take("a") is None
    checkpoints.put("a", {"x": torch.arange(3.0), "y": torch.tensor([[1.5]], dtype=torch.float64)})
    checkpoints.put("a", {"x": torch.arange(4.0)})
    taken = CheckpointStore(tmp_path / "new").take("a")
    assert taken is not None
    assert list(taken) == ["x"]
    assert torch.equal(taken["x"], torch.arange(4.0))


def test_a_broken_file_counts_as_absent(tmp_path):
    checkpoints = CheckpointStore(tmp_path)
    checkpoints.put("a", {"x": torch.arange(3.0)})
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:20])
    assert checkpoints.take("a") is None


def test_a_shelf_does_not_grow_without_end(tmp_path):
    checkpoints = CheckpointStore(tmp_path)
    for number in range(KEPT + 3):
        checkpoints.put(f"{number}", {"x": torch.tensor([float(number)])})
    assert len(list(tmp_path.iterdir())) == KEPT
    assert checkpoints.take(f"{KEPT + 2}") is not None


def test_another_word_name_type_shape_or_number_is_another_fingerprint():
    x = torch.tensor([1.0, 2.0])
    prints = [
        fingerprint(words, states)
        for words, states in (
            (["a"], [{"x": x}]),
            (["b"], [{"x": x}]),
            (["a"], [{"y": x}]),
            (["a"], [{"x": x.double()}]),
            (["a"], [{"x": x.view(1, 2)}]),
            (["a"], [{"x": torch.tensor([1.0, 2.5])}]),
            (["a"], [{"x": x}, {"x": x}]),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint(["a"], [{"x": x.clone()}]) == prints[0]
