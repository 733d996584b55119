"""A merge that is made tensor by tensor is the one that is made of whole states."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hubmerge.errors import RoundTripError, WeightsError
from hubmerge.fuse import Given, fusions
from hubmerge.fuse.subset import Subset
from hubmerge.streaming import fuse
from hubmerge.streaming.checkpoint import Checkpoint
from hubmerge.streaming.fuse import Work, stream_fusion
from hubmerge.streaming.shards import Shards

TENSORWISE = [name for name, each in fusions().items() if each.tensorwise]


def state(seed: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return {
        "embed.weight": draw(40, 6).to(dtype),
        "layer.weight": (draw(9, 6) * (draw(9, 6) > 0)).to(dtype),
        "layer.bias": draw(9).to(dtype),
        "norm.weight": draw(6).double(),
        "norm.running_mean": draw(6),
        "norm.num_batches_tracked": torch.tensor(seed),
        "head.weight": draw(2, 6).to(dtype),
    }


def checkpoint(folder: Path, seed: int, dtype: torch.dtype = torch.float32) -> Checkpoint:
    folder.mkdir()
    save_file(state(seed, dtype), folder / "model.safetensors")
    return Checkpoint(folder)


@pytest.mark.parametrize("name", TENSORWISE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_bits_are_those_of_whole_states(
    name: str, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse, "PIECE", 7)
    fusion = fusions()[name]
    count = 2 if fusion.pair else 3
    parents = tuple(checkpoint(tmp_path / f"p{seed}", seed, dtype) for seed in range(count))
    base = checkpoint(tmp_path / "base", 9, dtype) if fusion.needs_base else None
    weights = (0.3, 0.7) if fusion.pair else (0.5, 0.3, 0.2)
    subset = Subset(keep=("head",))
    given = Given(seed=5)
    work = Work(
        fusion=fusion, parents=parents, base=base, weights=weights, given=given, subset=subset
    )
    (tmp_path / "out").mkdir()
    shards = Shards.of_size(work.slots(), 300)
    hashes = stream_fusion(work, shards, tmp_path / "out", threads=2)
    whole = [{n: v.float() if v.is_floating_point() else v for n, v in p.items()} for p in parents]
    start = {n: v.float() if v.is_floating_point() else v for n, v in (base or {}).items()}
    own = Given(base=start if fusion.needs_base else None, seed=5)
    expected = fusion.of_one_tensor(whole, weights, own).state
    expected = subset.of(expected, whole[0])
    found = {n: v for file in hashes for n, v in load_file(tmp_path / "out" / file).items()}
    assert found.keys() == expected.keys()
    assert len(hashes) > 1
    for tensor, value in found.items():
        wanted = expected[tensor].to(parents[0].dtype(tensor))
        assert value.dtype == wanted.dtype, tensor
        assert torch.equal(value, wanted), tensor


def test_corrections_are_made_tensor_by_tensor_too(tmp_path: Path) -> None:
    fusion, options = fusions()["task-arithmetic"], {"svc": 0.1, "lines": 0.5}
    parents = tuple(checkpoint(tmp_path / f"p{seed}", seed) for seed in range(3))
    base, weights = checkpoint(tmp_path / "base", 9), (0.5, 0.3, 0.2)
    given = Given(options=options)
    work = Work(fusion=fusion, parents=parents, base=base, weights=weights, given=given)
    (tmp_path / "out").mkdir()
    hashes = stream_fusion(work, Shards.of_size(work.slots(), 300), tmp_path / "out", threads=2)
    *whole, start = (
        {n: v.float() if v.is_floating_point() else v for n, v in each.items()}
        for each in (*parents, base)
    )
    expected = fusion.of_one_tensor(whole, weights, Given(base=start, options=options)).state
    plain = fusion.of_one_tensor(whole, weights, Given(base=start)).state
    found = {n: v for file in hashes for n, v in load_file(tmp_path / "out" / file).items()}
    assert all(torch.equal(value, expected[name].to(value)) for name, value in found.items())
    assert not torch.equal(found["layer.weight"], plain["layer.weight"])


def test_every_tensorwise_fusion_is_known() -> None:
    assert {"average", "ties", "slerp", "dare", "model-stock", "swa", "tsv-m", "iso-c", "wudi"} <= {
        *TENSORWISE
    }
    assert not {"fisher", "least-squares", "greedy-soup"} & {*TENSORWISE}


def average(parents: tuple[Checkpoint, ...]) -> Work:
    weights = (1 / len(parents),) * len(parents)
    return Work(
        fusion=fusions()["average"], parents=parents, base=None, weights=weights, given=Given()
    )


def test_what_is_stored_is_the_widest_dtype_of_the_parents(tmp_path: Path) -> None:
    parents = (
        checkpoint(tmp_path / "a", 1, torch.bfloat16),
        checkpoint(tmp_path / "b", 2, torch.float16),
    )
    dtypes = {slot.name: slot.dtype for slot in average(parents).slots()}
    assert dtypes["layer.weight"] == torch.float32
    assert dtypes["norm.weight"] == torch.float64


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_parents_that_are_not_finite_are_refused_by_name(tmp_path: Path, bad: float) -> None:
    tensors = state(2)
    tensors["layer.bias"][3] = bad
    (tmp_path / "b").mkdir()
    save_file(tensors, tmp_path / "b" / "model.safetensors")
    work = average((checkpoint(tmp_path / "a", 1), Checkpoint(tmp_path / "b")))
    (tmp_path / "out").mkdir()
    with pytest.raises(WeightsError, match="NaN or infinite") as error:
        stream_fusion(work, Shards.of_size(work.slots(), 300), tmp_path / "out", threads=2)
    assert "layer.bias" in str(error.value)


def test_values_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    parents = [checkpoint(tmp_path / "base", 1, torch.float16)]
    for letter in "ab":
        tensors = state(1, torch.float16)
        tensors["layer.bias"][0] = 40_000.0
        (tmp_path / letter).mkdir()
        save_file(tensors, tmp_path / letter / "model.safetensors")
        parents.append(Checkpoint(tmp_path / letter))
    base, *models = parents
    work = Work(
        fusion=fusions()["task-arithmetic"],
        parents=tuple(models),
        base=base,
        weights=(0.5, 0.5),
        given=Given(options={"scale": 2.0}),
    )
    (tmp_path / "out").mkdir()
    with pytest.raises(RoundTripError, match="float16") as error:
        stream_fusion(work, Shards.of_size(work.slots(), 300), tmp_path / "out", threads=1)
    assert "layer.bias" in str(error.value)


def test_a_parent_that_becomes_shorter_is_noticed(tmp_path: Path) -> None:
    read = checkpoint(tmp_path / "a", 1)
    with (tmp_path / "a" / "model.safetensors").open("r+b") as file:
        file.truncate(900)
    with pytest.raises(WeightsError, match="ended within"):
        list(read.values())


def test_no_more_is_under_way_than_the_largest_tensor_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"small.0": 10, "large": 100, **{f"small.{n}": 10 for n in range(1, 20)}}
    parents = []
    for letter in "ab":
        (tmp_path / letter).mkdir()
        tensors = {name: torch.randn(size) for name, size in sizes.items()}
        save_file(tensors, tmp_path / letter / "model.safetensors")
        parents.append(Checkpoint(tmp_path / letter))
    work = Work(
        fusion=fusions()["slerp"],
        parents=tuple(parents),
        base=None,
        weights=(0.5, 0.5),
        given=Given(),
    )
    least, take = [], fuse.Budget.take

    def watched(budget: fuse.Budget, size: int) -> None:
        take(budget, size)
        least.append(budget.left)

    monkeypatch.setattr(fuse.Budget, "take", watched)
    (tmp_path / "out").mkdir()
    stream_fusion(work, Shards.of_size(work.slots(), 2**20), tmp_path / "out", threads=4)
    assert len(least) == len(sizes)
    assert min(least) == 0
    assert max(least) == 90 * 3 * 4
