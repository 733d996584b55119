"""Files that are written tensor by tensor are those that safetensors writes."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubmerge.hub.layout import DTYPES, INDEX
from hubmerge.streaming.checkpoint import Checkpoint
from hubmerge.streaming.shards import METADATA, Shards, ShardWriter, Slot, write_index

TENSORS = {
    "b": torch.randn(3, 5),
    "a.ünï": torch.randn(2, 2, dtype=torch.float64),
    "half": torch.randn(7).half(),
    "brain": torch.randn(4, 1).bfloat16(),
    "none": torch.zeros(0, 3),
    "one": torch.tensor(2.5),
    **{str(each): torch.ones(3, dtype=each) for each in (torch.int64, torch.int32, torch.int16)},
    **{str(each): torch.ones(3, dtype=each) for each in (torch.int8, torch.uint8, torch.bool)},
}


def slots() -> list[Slot]:
    return [Slot(name, value.dtype, tuple(value.shape)) for name, value in TENSORS.items()]


def write(folder: Path, shards: Shards) -> dict[str, str]:
    writer = ShardWriter(folder, shards)
    for part in shards.files.values():
        for slot in part:
            writer.write(slot.name, TENSORS[slot.name])
    writer.close()
    write_index(shards, folder)
    return writer.hashes


def test_one_file_has_the_bytes_of_safetensors(tmp_path: Path) -> None:
    assert {getattr(torch, name) for name in DTYPES.values()} == {t.dtype for t in TENSORS.values()}
    save_file(TENSORS, tmp_path / "theirs", METADATA)
    hashes = write(tmp_path, Shards.of_size(slots(), 2**20))
    written = (tmp_path / "model.safetensors").read_bytes()
    assert written == (tmp_path / "theirs").read_bytes()
    assert hashes == {"model.safetensors": hashlib.sha256(written).hexdigest()}
    assert not (tmp_path / INDEX).exists()


def test_shards_are_no_larger_than_asked_for_and_hold_everything(tmp_path: Path) -> None:
    hashes = write(tmp_path, Shards.of_size(slots(), 64))
    mapped = json.loads((tmp_path / INDEX).read_text())["weight_map"]
    assert sorted(mapped) == sorted(TENSORS)
    for name, file in mapped.items():
        found = load_file(tmp_path / file)
        assert torch.equal(found[name], TENSORS[name])
        assert sum(value.nbytes for value in found.values()) <= 64
    assert len(hashes) == len({*mapped.values()}) > 2


def test_the_shards_of_another_checkpoint_are_kept(tmp_path: Path) -> None:
    file_of = {name: f"{number % 3}.safetensors" for number, name in enumerate(TENSORS)}
    write(tmp_path, Shards.as_in(file_of, slots()))
    assert json.loads((tmp_path / INDEX).read_text())["weight_map"] == file_of
    with Checkpoint(tmp_path) as read:
        assert read.file_of == file_of
        for name, value in TENSORS.items():
            assert torch.equal(read[name], value)
            assert read[name].dtype == value.dtype


def test_another_tensor_than_the_next_is_refused(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, Shards.of_size(slots(), 2**20))
    with pytest.raises(ValueError, match="is to be written next"):
        writer.write("b", TENSORS["b"].half())
    with pytest.raises(ValueError, match="12 tensors were not written"):
        writer.close()


@pytest.mark.parametrize("processes", [1, 2, 3, 20])
def test_every_file_is_dealt_to_one_process(processes: int) -> None:
    shards = Shards.of_size(slots(), 64)
    shares = shards.dealt(shards.files, processes)
    assert sorted(file for share in shares for file in share) == sorted(shards.files)
    assert len(shares) == processes
    loads = [shards.only(share).nbytes for share in shares]
    assert max(loads) - min(loads) <= max(shards.only([file]).nbytes for file in shards.files)
