"""Fuse checkpoints tensor by tensor: what is read, made and written at a time is one tensor."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path

import torch
from torch import Tensor

from hubmerge.errors import RoundTripError, WeightsError
from hubmerge.fuse import Fusion, Given
from hubmerge.fuse.subset import WHOLE, Subset
from hubmerge.streaming.checkpoint import Checkpoint, Permuted
from hubmerge.streaming.shards import Shards, ShardWriter, Slot
from hubmerge.utils.allocation import reuse_freed_blocks
from hubmerge.utils.processor import CPU
from hubmerge.utils.progress import track

PIECE = 2**18
"""Elements of a tensor that an elementwise fusion takes at a time, so that they stay in a cache."""


SPECTRAL_COPIES = 4
"""Times the float32 bytes of what is read that decomposing it takes: in float64, with factors."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A fusion to be carried out on checkpoints whose tensors have the same names and shapes.

    weights: of the parents. given: what else the fusion asks for, but for the base. subset: what is
    merged, all else being the first parent's. dtype: what floating-point tensors are stored as,
    None for the widest dtype that a parent stores each in. device: where the fusion computes.
    """

    fusion: Fusion
    parents: tuple[Checkpoint, ...]
    base: Checkpoint | None
    weights: tuple[float, ...]
    given: Given
    subset: Subset = WHOLE
    dtype: torch.dtype | None = None
    device: torch.device = CPU

    def slots(self) -> list[Slot]:
        """What is written."""
        first = self.parents[0]
        return [Slot(name, self._stored_as(name), first.headers[name].shape) for name in first]

    @property
    def in_pieces(self) -> bool:
        """Whether tensors are made in parts."""
        moved = any(isinstance(each, Permuted) for each in self.parents)
        return not moved and self.fusion.in_pieces(self.given.options)

    def _stored_as(self, name: str) -> torch.dtype:
        widest = reduce(torch.promote_types, (parent.dtype(name) for parent in self.parents))
        return self.dtype if self.dtype is not None and widest.is_floating_point else widest

    @property
    def read(self) -> tuple[Checkpoint, ...]:
        """Everything that is read: the parents, and the base."""
        return self.parents if self.base is None else (*self.parents, self.base)


def stream_fusion(
    work: Work,
    shards: Shards,
    folder: Path,
    threads: int,
    whole: Callable[[str, str], None] = lambda *_: None,
) -> dict[str, str]:
    """Writes the merge into `folder`; file name -> its sha256.

    whole: is called with the name and the sha256 of every file that is whole and on the disk.
    Tensors are made by `threads` threads while others are read and written, as many at once as
    need no more memory than the largest one does by itself.
    Raises: WeightsError, if a parent holds NaN or infinity, or changes while it is read;
    RoundTripError, if a value of the merge does not fit into the dtype it is stored in.
    """

    def unchanged(file: str, sha256: str) -> None:
        for checkpoint in work.read:
            checkpoint.refuse_changes()
        whole(file, sha256)

    reuse_freed_blocks()
    slots = [slot for part in shards.files.values() for slot in part]
    writer = ShardWriter(folder, shards, unchanged)
    budget = Budget(max((_cost(work, slot) for slot in slots), default=0))
    made_by = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        with (
            _written_behind(writer) as write,
            track(len(slots), "fusing") as bar,
            made_by as pool,
        ):
            for slot, value in _in_turn(pool, work, slots, budget, 2 * threads):
                write(slot.name, value, partial(budget.free, _cost(work, slot)))
                bar.update(1)
        writer.close()
    except BaseException:
        writer.abandon()
        raise
    return writer.hashes


class Budget:
    """Bytes that may be in use at once: taken by one thread, freed by any."""

    def __init__(self, size: int) -> None:
        self.left = size
        self._changed = threading.Condition()

    def has(self, size: int) -> bool:
        """Whether so many are left."""
        with self._changed:
            return self.left >= size

    def take(self, size: int) -> None:
        """Waits until so many are left."""
        with self._changed:
            self._changed.wait_for(lambda: self.left >= size)
            self.left -= size

    def free(self, size: int) -> None:
        """Gives them back."""
        with self._changed:
            self.left += size
            self._changed.notify_all()


def _cost(work: Work, slot: Slot) -> int:
    """Bytes that making the tensor takes."""
    count = torch.Size(slot.shape).numel()
    if work.in_pieces or not work.subset.merges(slot.name):
        return slot.nbytes
    copies = SPECTRAL_COPIES if work.fusion.decomposes(work.given.options) else 1
    return copies * (len(work.read) + 1) * 4 * count


def _in_turn(
    pool: ThreadPoolExecutor, work: Work, slots: Sequence[Slot], budget: Budget, ahead: int
) -> Iterator[tuple[Slot, Tensor]]:
    """Every tensor in its turn, up to `ahead` of them made in advance."""
    under_way: deque[tuple[Slot, Future[Tensor]]] = deque()
    waiting = deque(slots)
    while waiting or under_way:
        while waiting and len(under_way) < ahead:
            if under_way and not budget.has(_cost(work, waiting[0])):
                break
            slot = waiting.popleft()
            budget.take(_cost(work, slot))
            under_way.append((slot, pool.submit(fused_tensor, work, slot)))
        slot, future = under_way.popleft()
        yield slot, future.result()


def fused_tensor(work: Work, slot: Slot) -> Tensor:
    """One tensor of the merge, as it is stored. Raises: as `stream_fusion`."""
    count = torch.Size(slot.shape).numel()
    if not work.subset.merges(slot.name):
        value = work.parents[0][slot.name]
        return _stored(slot, finite(value, work.parents[0], slot.name))
    if not work.in_pieces:
        return _stored(slot, _made(work, slot.name, lambda each: each[slot.name]))
    whole = torch.empty(count, dtype=slot.dtype)
    for start in range(0, count, PIECE):
        size = min(PIECE, count - start)
        made = _made(work, slot.name, lambda each: each.part(slot.name, start, size))  # noqa: B023
        whole[start : start + size] = _stored(slot, made)
    return whole.view(slot.shape)


def _made(work: Work, name: str, take: Callable[[Checkpoint], Tensor]) -> Tensor:
    """What the fusion makes of a tensor, or of a part of it: what it makes of whole models.

    Where there is a base, that decides the precision, and parents need not be widened.
    """

    def read(checkpoint: Checkpoint, *, widened: bool) -> dict[str, Tensor]:
        value = finite(take(checkpoint), checkpoint, name).to(work.device)
        narrow = not widened and value.dtype != torch.float64
        return {name: value if narrow or not value.is_floating_point() else value.float()}

    states = [read(parent, widened=work.base is None) for parent in work.parents]
    base = None if work.base is None else read(work.base, widened=True)
    given = replace(work.given, base=base)
    # What fusions make beside what they are given is there as well.
    with nullcontext() if work.device == CPU else work.device:
        made = work.fusion.of_one_tensor(states, work.weights, given).state[name]
    return made.to(CPU)


def finite(value: Tensor, checkpoint: Checkpoint, name: str) -> Tensor:
    """`value` itself. Raises: WeightsError, if it is not finite."""
    if not _is_finite(value):
        raise WeightsError(
            f"weights of {checkpoint.name} are NaN or infinite",
            found=name,
            hint="its training diverged or its dtype overflowed: take another checkpoint",
        )
    return value


def _is_finite(value: Tensor) -> bool:
    """Whether no element is NaN or infinite; of integers none is."""
    if not value.is_floating_point() or torch.isfinite(value.sum()):
        return True
    return bool(torch.isfinite(value).all())  # a sum of finite numbers may overflow


def _stored(slot: Slot, value: Tensor) -> Tensor:
    """`value` in the dtype it is stored in. Raises: RoundTripError, if it does not fit into it."""
    stored = value.to(slot.dtype)
    if not _is_finite(stored):
        raise RoundTripError(
            f"the merge does not fit into {str(slot.dtype).removeprefix('torch.')}",
            found=f"{slot.name} is not finite in it",
            hint="convert the parents to float32 first",
        )
    return stored


Write = Callable[[str, Tensor, Callable[[], None]], None]


@contextmanager
def _written_behind(writer: ShardWriter) -> Iterator[Write]:
    """A function that hands a tensor to a thread that writes it, and what to do after that.

    Raises: at the next tensor or at the end, what writing raised.
    """
    handed: queue.Queue[tuple[str, Tensor, Callable[[], None]] | None] = queue.Queue(2)
    failed: list[BaseException] = []

    def work() -> None:
        while (item := handed.get()) is not None:
            name, value, then = item
            del item
            if not failed:
                try:
                    writer.write(name, value)
                except BaseException as error:
                    failed.append(error)
            del value
            then()

    def write(name: str, value: Tensor, then: Callable[[], None]) -> None:
        if failed:
            raise failed[0]
        handed.put((name, value, then))

    thread = threading.Thread(target=work, name="shard writer", daemon=True)
    thread.start()
    try:
        yield write
    finally:
        handed.put(None)
        thread.join()
    if failed:
        raise failed[0]


def common_names(checkpoints: Sequence[Mapping[str, object]]) -> bool:
    """Whether all checkpoints hold tensors of the same names."""
    first, *others = checkpoints
    return all(set(first) == set(other) for other in others)
