"""A merge made tensor by tensor that is stopped goes on from its whole shards, or leaves none."""

import errno
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubmerge.errors import ResourceError, WeightsError
from hubmerge.hub.destination import Destination
from hubmerge.models import shaken
from hubmerge.pipeline import run, stream
from hubmerge.recipe import Recipe, make_recipe
from hubmerge.streaming import shards as shards_module
from tests.helpers.tiny import TINY

INDEX = "model.safetensors.index.json"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Two Llamas of several shards each."""
    for seed in range(2):
        folder = tmp_path / f"p{seed}"
        model = shaken(TINY["llama"].build(), seed).to(torch.bfloat16)
        model.save_pretrained(folder, max_shard_size="2KB")
        (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    return make_recipe(models=(str(tmp_path / "p0"), str(tmp_path / "p1")), match="none")


def weights(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("model*")}


def beside(folder: Path) -> set[str]:
    """Everything beside the merge that is not a parent."""
    return {path.name for path in folder.iterdir()} - {"p0", "p1"}


def die(*given: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(count: int, then: Callable[[], None]) -> Callable[..., None]:
    """What notes whole shards, followed by `then` once there are `count` of them."""
    noted: list[str] = []
    note = stream.note

    def watched(place: Path, file: str, sha256: str) -> None:
        if len(noted) == count:
            then()
        note(place, file, sha256)
        noted.append(file)

    return watched


def kill(stage: str) -> None:
    """Lets this process be killed in that stage of a merge."""
    if stage == "plan":
        run.plan_of = die
    elif stage == "third shard":
        stream.note = after(2, die)
    elif stage == "all shards":
        stream.move_in = die
    else:
        run.write_report = die


def killed(stage: str, recipe: Recipe, out: Path) -> None:
    """Makes the merge in a process of its own, which is killed in that stage."""

    def work() -> None:
        kill(stage)
        run.run(recipe, Destination(out=out))

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("stage", ["plan", "third shard", "all shards", "report"])
def test_a_killed_merge_goes_on_from_its_last_whole_shard(
    stage: str, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    killed(stage, recipe, out)
    assert not out.exists()
    made: list[str] = []
    fuse = stream.stream_fusion

    def watched(work: Any, mine: Any, *rest: Any) -> dict[str, str]:
        made.extend(mine.files)
        return fuse(work, mine, *rest)

    monkeypatch.setattr(stream, "stream_fusion", watched)
    report = run.run(recipe, Destination(out=out)).report
    files = sorted({*json.loads((out / INDEX).read_text())["weight_map"].values()})
    assert len(files) > 3
    left = {"plan": files, "third shard": files[2:]}.get(stage, [])
    assert sorted(made) == left
    assert beside(tmp_path) == {"out"}
    run.run(recipe, Destination(out=tmp_path / "again"))
    assert weights(out) == weights(tmp_path / "again")
    assert sorted(report.weights_sha256) == files


def test_shards_of_another_recipe_or_damaged_ones_are_not_taken(
    recipe: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed("third shard", recipe, out)
    (place,) = tmp_path.glob(".out.shards-*")
    first = min(place.glob("model*"))
    content = bytearray(first.read_bytes())
    content[-1] ^= 1
    first.write_bytes(content)
    run.run(recipe, Destination(out=out))
    killed("third shard", recipe, tmp_path / "other")
    other = recipe.model_copy(update={"lam": 0.25})
    run.run(other, Destination(out=tmp_path / "other"))
    for each, again in ((recipe, "out"), (other, "other")):
        run.run(each, Destination(out=tmp_path / f"{again}-again"))
        assert weights(tmp_path / again) == weights(tmp_path / f"{again}-again")
    assert not list(tmp_path.glob(".*"))


def test_a_disk_that_fills_in_the_third_shard(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "out", os.write

    def full(descriptor: int, content: memoryview) -> int:
        (place,) = tmp_path.glob(".out.shards-*")
        if len(list(place.glob("model*"))) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content)

    with monkeypatch.context() as patched:
        patched.setattr(shards_module.os, "write", full)
        with pytest.raises(ResourceError, match="no disk space") as error:
            run.run(recipe, Destination(out=out))
    assert "2 of" in str(error.value.found)
    assert ".out.shards-" in str(error.value.found)
    assert "goes on" in str(error.value.hint)
    assert not out.exists()
    run.run(recipe, Destination(out=out))
    assert beside(tmp_path) == {"out"}


def test_a_parent_that_changes_while_it_is_read(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = min((tmp_path / "p1").glob("model*.safetensors"))
    monkeypatch.setattr(stream, "note", after(1, lambda: os.utime(file, (1, 1))))
    with pytest.raises(WeightsError, match="has changed while it was read") as error:
        run.run(recipe, Destination(out=tmp_path / "out"))
    assert file.name in str(error.value)
    assert beside(tmp_path) == set()


def test_an_index_that_names_a_shard_that_is_not_there(recipe: Recipe, tmp_path: Path) -> None:
    file = max((tmp_path / "p1").glob("model*.safetensors"))
    file.unlink()
    with pytest.raises(WeightsError, match="lacks") as error:
        run.run(recipe, Destination(out=tmp_path / "out"))
    assert file.name in str(error.value)
    assert beside(tmp_path) == set()


def test_tensors_that_are_not_there_or_there_twice(recipe: Recipe, tmp_path: Path) -> None:
    first, second, *_ = sorted((tmp_path / "p1").glob("model*.safetensors"))
    whole, other = load_file(first), load_file(second)
    name, value = whole.popitem()
    for tensors, error in ((whole, name), (other | {name: value}, "two of its files")):
        save_file(tensors, first if tensors is whole else second, metadata={"format": "pt"})
        if tensors is not whole:
            save_file({**whole, name: value}, first, metadata={"format": "pt"})
        with pytest.raises(WeightsError, match=error.replace(".", r"\.")):
            run.run(recipe, Destination(out=tmp_path / "out"))
        assert beside(tmp_path) == set()


def test_an_index_is_no_witness_of_where_tensors_lie(recipe: Recipe, tmp_path: Path) -> None:
    run.run(recipe, Destination(out=tmp_path / "right"))
    index = tmp_path / "p1" / INDEX
    fields = json.loads(index.read_text())
    places = fields["weight_map"]
    name, file = min(places.items())
    places[name] = next(other for other in places.values() if other != file)
    index.write_text(json.dumps(fields))
    run.run(recipe, Destination(out=tmp_path / "odd"))
    assert weights(tmp_path / "odd") == weights(tmp_path / "right")
    places["model.no.such"] = file
    index.write_text(json.dumps(fields))
    with pytest.raises(WeightsError, match=r"1 of \d+: model\.no\.such"):
        run.run(recipe, Destination(out=tmp_path / "out"))
    assert beside(tmp_path) == {"right", "odd"}


def test_shards_of_several_dtypes_keep_the_widest_of_each(recipe: Recipe, tmp_path: Path) -> None:
    file = min((tmp_path / "p1").glob("model*.safetensors"))
    wide = {name: value.float() for name, value in load_file(file).items()}
    save_file(wide, file, metadata={"format": "pt"})
    run.run(recipe, Destination(out=tmp_path / "out"))
    for each in (tmp_path / "out").glob("model*.safetensors"):
        for name, value in load_file(each).items():
            assert value.dtype == (torch.float32 if name in wide else torch.bfloat16)
