"""Handing out work to the processes and threads there are, with one answer for any number.

The unit of work is one job (a batch of images, a point of a curve), computed on one process by
one thread with a single intra-op thread. How many processes and threads there are decides only
who computes a job, never how, and sums are taken in job order: so the same recipe gives the same
bytes on one process or many.
"""

from __future__ import annotations

import atexit
import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from accelerate.utils import broadcast_object_list, gather_object

from hubmerge.errors import RecipeError, ResourceError
from hubmerge.errors.wording import option
from hubmerge.utils.processor import CPU, cores, processor_kind
from hubmerge.utils.progress import be_quiet, track

T = TypeVar("T")
R = TypeVar("R")
Sums = dict[str, torch.Tensor]

SINGLE = ("mps",)
"""Kinds of accelerators without float64, in which fusions compute."""

PARTIAL_SUMS = 2
"""Partial sums a reduction keeps. Fixed, because the order of additions decides the last bits."""


class Workers:
    """The processes accelerate started, and the threads each of them may use.

    Everything below must be called by all processes alike.
    """

    def __init__(self, threads: int | None = None) -> None:
        """`threads` per process; by default the cores shared among the local processes.

        On an accelerator there is one thread per process. `fuses_on` is where fusions compute that
        take one tensor at a time. `memory` is what this process may take,
        in bytes, where that is limited: it decides how much is done at once, and no result.
        """
        patience = InitProcessGroupKwargs(timeout=timedelta(hours=24))
        # Without cpu=True, processes started on CPUs alone would not know of each other.
        try:
            self.accelerator = Accelerator(
                cpu=not torch.accelerator.is_available(), kwargs_handlers=[patience]
            )
            neighbours = int(os.environ.get("LOCAL_WORLD_SIZE", self.accelerator.num_processes))
        except ValueError as error:
            raise RecipeError(
                "the environment speaks of several processes, and not as torchrun does",
                found=str(error),
                hint="unset WORLD_SIZE, RANK and their like, or start the processes by torchrun",
            ) from error
        self.device: torch.device = self.accelerator.device
        self.is_main: bool = self.accelerator.is_main_process
        self.processes: int = self.accelerator.num_processes
        if self.processes > 1:
            # Left to the interpreter's end, the group's threads sometimes abort the process.
            atexit.unregister(_leave_group)
            atexit.register(_leave_group)
        if not self.is_main:
            be_quiet()
        on_cpu = self.device.type == "cpu"
        if self.device.type == "cuda":
            # Reduced precision and autotuned kernels would make figures depend on the card.
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.benchmark = False
        self.memory: int | None = None
        self.fuses_on = CPU
        self._threads = threads or max(1, cores() // neighbours)
        self.threads = self._threads if on_cpu else 1

    def use(self, name: str | None) -> None:
        """Computes on the device of that name from now on, and fuses on it where it knows float64.

        None: on the accelerator there is, and fuses on the CPU, which rounds alike everywhere.
        Raises: RecipeError, if there is no such device here.
        """
        own = self.accelerator.device
        self.device = own if name is None else _device(name, own, alone=self.processes == 1)
        self.fuses_on = CPU if name is None or self.device.type in SINGLE else self.device
        self.threads = self._threads if self.device.type == "cpu" else 1

    def describe(self) -> dict[str, Any]:
        """What did the work: for the report's block about the run."""
        return {
            "processes": self.processes,
            "threads_per_process": self.threads,
            "intra_op_threads": 1,
            "device": str(self.device.type),
            "processor": processor_kind(self.device),
        }

    @contextmanager
    def single_threaded_ops(self) -> Iterator[None]:
        """Inside, every tensor operation uses one thread: its result has one value."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def at_once(self, size: int) -> int:
        """How many jobs of so many bytes each the threads may do at a time: at least one."""
        if self.memory is None or size <= 0:
            return self.threads
        return max(1, min(self.threads, self.memory // size))

    def map(
        self, job: Callable[[T], R], items: Sequence[T], what: str = "", *, size: int = 0
    ) -> list[R]:
        """`[job(item) for item in items]`, shared out; every process gets the whole list.

        size: bytes that a job takes, where they are many.

        An error in any job is raised on every process. Results must be picklable CPU objects
        where there is more than one process.
        """
        mine = list(range(self.accelerator.process_index, len(items), self.processes))
        done = self._caught(
            lambda: self._threaded(job, [items[i] for i in mine], what, self.at_once(size))
        )
        merged: list[Any] = [None] * len(items)
        for indices, results in self._everyone((mine, done)):
            for i, result in zip(indices, _unwrap(results), strict=True):
                merged[i] = result
        return merged

    def everywhere(self, job: Callable[[int], R]) -> list[R]:
        """`job(number)` on every process at once, by its number; every one gets the whole list.

        An error on any of them is raised on all.
        """
        done = self._caught(lambda: job(self.accelerator.process_index))
        return [_unwrap(outcome) for outcome in self._everyone(done)]

    def sum(
        self, job: Callable[[T], Mapping[str, torch.Tensor]], items: Sequence[T], what: str = ""
    ) -> Sums:
        """Sum over `items` of the tensors `job(item)` returns under each name.

        Memory is that of `PARTIAL_SUMS` results, however many items there are.
        """

        def lane(number: int) -> Sums:
            total: Sums = {}
            for item in items[number::PARTIAL_SUMS]:
                for name, value in job(item).items():
                    if name in total:
                        total[name] += value
                    else:
                        total[name] = value.clone()
                bar.update(1)
            return {name: value.cpu() for name, value in total.items()}

        with track(len(items), what) as bar:
            partial = self.map(lane, range(PARTIAL_SUMS))
        total: Sums = {}
        for sums in partial:
            for name, value in sums.items():
                total[name] = total[name] + value if name in total else value
        return total

    def on_main(self, act: Callable[[], R]) -> R:
        """`act()` on the main process alone; every process gets its result or its error."""
        outcome = [self._caught(act) if self.is_main else None]
        if self.processes > 1:
            with _all_alive():
                broadcast_object_list(outcome)
        return _unwrap(outcome[0])

    def _threaded(
        self, job: Callable[[T], R], items: Sequence[T], what: str, threads: int
    ) -> list[R]:
        with self.single_threaded_ops(), track(len(items), what) as bar:

            def step(item: T) -> R:
                result = job(item)
                bar.update(1)
                return result

            if threads == 1 or len(items) == 1:
                return [step(item) for item in items]
            with ThreadPoolExecutor(threads, initializer=_use_one_thread) as pool:
                return list(pool.map(step, items))

    def _everyone(self, share: T) -> list[T]:
        """What every process has."""
        if self.processes == 1:
            return [share]
        with _all_alive():
            gathered: list[T] = gather_object([share])
        return gathered

    def _caught(self, act: Callable[[], R]) -> tuple[R | None, Exception | None]:
        try:
            return act(), None
        except Exception as error:
            return None, error if self.processes == 1 else _portable(error)


@contextmanager
def _all_alive() -> Iterator[None]:
    """Raises: ResourceError, where another process is gone while this one waits for it."""
    try:
        yield
    except RuntimeError as error:  # of gloo or NCCL: errors of jobs were caught before
        raise ResourceError(
            "another process of this run has died",
            found=str(error).partition("\n")[0][:200],
            hint="start the same command again: what was kept is not done twice",
        ) from error


def _device(name: str, own: torch.device, *, alone: bool) -> torch.device:
    """The device of that name. own: the one that accelerate gives this process. alone: whether
    there is no other process, so that one may be chosen."""
    kind, _, number = name.partition(":")
    if kind == "cpu":
        return CPU
    if kind == own.type and not number:
        return own
    if kind == own.type and alone and int(number) < torch.accelerator.device_count():
        return torch.device(name)
    raise RecipeError(
        f"there is no device {name!r} for this process",
        found=f"torch {torch.__version__} finds {own if own.type != 'cpu' else 'no accelerator'}",
        hint=f"{option('device', own.type)}, or leave it out",
        field="device",
    )


def _leave_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _use_one_thread() -> None:
    torch.set_num_threads(1)


def _portable(error: Exception) -> Exception:
    """`error`, or its text where pickle cannot carry it: other processes wait for it."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _unwrap(outcome: Any) -> Any:
    result, error = outcome
    if error is not None:
        raise error
    return result
