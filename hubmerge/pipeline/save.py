"""Writing a merged model so that it is whole or absent, and reading it back as anyone would."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path

import psutil
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hubmerge.errors import ResourceError, RoundTripError, TargetError
from hubmerge.hub.fetch import needed_files
from hubmerge.hub.layout import CONFIG, INDEX
from hubmerge.hub.load import LoadedModel, calm, load
from hubmerge.matching.alignment_files import is_alignment
from hubmerge.pipeline.align import with_state
from hubmerge.symmetry.laws import deviation, outputs
from hubmerge.symmetry.permutation import State
from hubmerge.tasks import probe_for
from hubmerge.utils.tensor_files import store
from hubmerge.utils.workers import Workers

WRITTEN_ANEW = (".safetensors", ".safetensors.index.json", ".py")
"""Endings of what the merge brings itself, or never takes along from parent A."""

ROUND_TRIP_TOLERANCE = 1e-5
"""Largest relative deviation of float32 outputs between the model in memory and as reloaded."""


@contextmanager
def arriving_whole(target: Path) -> Iterator[Path]:
    """A folder beside `target` to write into; it becomes `target` in one step at the end.

    Whatever goes wrong inside, `target` is not there afterwards and neither is the folder; what
    a killed process left behind is removed by the next one.
    Raises: TargetError, if `target` exists by then; ResourceError, if the disk is full.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    partial = target.parent / f".{target.name}.partial-{os.getpid()}"
    try:
        partial.mkdir()  # inside, so that a signal right after it leaves no folder behind
        yield partial
        _settle(partial)
        os.rename(partial, target)
    except (OSError, SafetensorError) as error:
        if _is_disk_full(error):
            raise ResourceError(f"no disk space to write {target}", found=str(error)) from error
        if target.exists():
            raise TargetError(
                f"{str(target)!r} exists already", hint="nothing is overwritten: name another"
            ) from error
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_disk_full(error: OSError | SafetensorError) -> bool:
    """Whether there was no room; safetensors says so in words only."""
    number = error.errno if isinstance(error, OSError) else None
    return number == errno.ENOSPC or f"os error {errno.ENOSPC}" in str(error)


def _sweep(target: Path) -> None:
    """Removes what processes that are no more left beside `target`."""
    for left in target.parent.glob(f".{target.name}.partial-*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdigit() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            shutil.rmtree(left, ignore_errors=True)


def _settle(folder: Path) -> None:
    """Waits until everything in `folder` is on the disk."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_model(folder: Path, parents: Sequence[LoadedModel], state: State) -> None:
    """Saves `state` as a checkpoint like parent A's, with A's processor beside it.

    Every tensor gets the dtype the parents store it in (the widest where they differ).
    Raises: RoundTripError, if a value does not fit into it.
    """
    a = parents[0]
    with calm():
        with_state(a.model, state).save_pretrained(folder)
    for path in sorted(folder.glob("*.safetensors")):
        store(_as_stored(load_file(path), parents), path, {"format": "pt"})
    _correct_sizes(folder)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    config["dtype"] = str(merged_dtype(parents)).removeprefix("torch.")
    text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    for name in needed_files(a.source):
        if not name.endswith(WRITTEN_ANEW) and not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(a.folder / name, folder / name)


def merged_dtype(parents: Sequence[LoadedModel]) -> torch.dtype:
    """What most of the merge is stored in: the parents' dtype, the widest if they differ."""
    return reduce(torch.promote_types, (parent.dtype for parent in parents))


def _as_stored(tensors: dict[str, Tensor], parents: Sequence[LoadedModel]) -> dict[str, Tensor]:
    rounded = {}
    for name, value in tensors.items():
        if value.is_floating_point():
            wanted = [model.dtypes.get(name, model.dtype) for model in parents]
            value = value.to(reduce(torch.promote_types, wanted))
            if not torch.isfinite(value).all():
                raise RoundTripError(
                    f"the merge does not fit into {str(value.dtype).removeprefix('torch.')}",
                    found=f"{name} is not finite in it",
                    hint="convert the parents to float32 first, or use another repair",
                )
        rounded[name] = value
    return rounded


def _correct_sizes(folder: Path) -> None:
    """Makes the index of shards, if there is one, tell the bytes as they are stored."""
    index = folder / INDEX
    if index.is_file():
        content = json.loads(index.read_text(encoding="utf-8"))
        stored = [load_file(path) for path in sorted(folder.glob("*.safetensors"))]
        total = sum(tensor.nbytes for tensors in stored for tensor in tensors.values())
        content.setdefault("metadata", {})["total_size"] = total
        index.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_back(folder: Path, parents: Sequence[LoadedModel], state: State) -> LoadedModel:
    """The model in `folder` loaded anew in float32, proved to be the one in memory.

    Raises: RoundTripError, if a tensor is not that of `state`, rounded to a dtype of the parents',
    or the outputs differ; WeightsError, if a key is missing, unexpected or mis-shaped.
    """
    reloaded = load(str(folder))
    a = parents[0]
    own = {dtype for parent in parents for dtype in parent.dtypes.values()}
    dtypes = {*own, merged_dtype(parents), torch.float32}
    found = reloaded.model.state_dict()
    for name, value in state.items():
        if not any(torch.equal(value.to(dtype).to(value.dtype), found[name]) for dtype in dtypes):
            raise _other(f"{name} is not what was written")
    inputs = _inputs(a)
    if inputs is not None:
        before, after = (outputs(m, found, inputs, every=True) for m in (a.model, reloaded.model))
        moved = deviation(before, after)
        if moved > ROUND_TRIP_TOLERANCE:
            raise _other(f"outputs differ by {moved:.1e} of their size")
    return reloaded


def _inputs(a: LoadedModel) -> dict[str, Tensor] | None:
    """Inputs in float32 to try models like `a` on.

    None where no task accepts it, and it does not take what its main input promises: then there is
    nothing it can be tried on, and its tensors are compared alone.
    """
    try:
        inputs = {
            name: value.float() if value.is_floating_point() else value
            for name, value in probe_for(a.model).items()
        }
        if a.task is None:
            outputs(a.model, a.model.state_dict(), inputs, every=True)
    except Exception:  # each model refuses in its own way what it does not take
        if a.task is not None:
            raise
        return None
    return inputs


def _other(found: str) -> RoundTripError:
    return RoundTripError(
        "the merge reloaded from disk is not the one that was computed",
        found=found,
        hint="please report this, with the two models",
    )


def weight_hashes(folder: Path) -> dict[str, str]:
    """File name -> sha256 of every weights file in `folder`."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*.safetensors"))
        if not is_alignment(path.name)
    }


class Arrival:
    """`arriving_whole` on the main process, whose folder every process gets to read from."""

    def __init__(self, out: Path, workers: Workers) -> None:
        self._workers = workers
        self._whole = arriving_whole(out) if workers.is_main else None

    def __enter__(self) -> Path:
        whole = self._whole
        try:
            return self._workers.on_main(lambda: whole.__enter__() if whole else Path())
        except BaseException as error:  # a with statement that was not entered is not left either
            if whole is not None:
                whole.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(self, *error: object) -> None:
        whole = self._whole
        if error[0] is not None:
            if whole is not None:
                whole.__exit__(*error)  # type: ignore[arg-type]
            return
        self._workers.on_main(lambda: whole.__exit__(None, None, None) if whole else None)
