"""Handing out work: the same answer in the same order, whichever process computes it."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState

from hubmerge.errors import DataError, RecipeError
from hubmerge.utils.processor import processor_kind
from hubmerge.utils.workers import Workers

every_number = pytest.mark.parametrize("threads", [1, 2, 4])


@every_number
def test_results_keep_the_order_of_the_items(threads):
    def job(n: int) -> int:
        time.sleep(0.002 * (5 - n))  # later items are done sooner
        return n * n

    assert Workers(threads=threads).map(job, range(6)) == [0, 1, 4, 9, 16, 25]
    assert Workers(threads=threads).map(job, []) == []


@pytest.mark.parametrize("size", ["two", "2"])
def test_an_environment_of_half_a_group_is_refused(size, monkeypatch):
    """As a cluster's scheduler leaves it: a number of processes, and no place to meet."""
    for state in (AcceleratorState, PartialState):
        monkeypatch.setattr(state, "_shared_state", {})
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(RecipeError, match="not as torchrun does"):
        Workers()


def test_threads_work_at_the_same_time():
    together = threading.Barrier(2, timeout=20)
    assert Workers(threads=2).map(lambda n: together.wait() >= 0, range(2)) == [True, True]


@pytest.fixture
def three_threads():
    """Tensor operations of this process use three threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@every_number
@pytest.mark.usefixtures("three_threads")
def test_every_operation_inside_a_job_uses_one_thread(threads):
    assert Workers(threads=threads).map(lambda n: torch.get_num_threads(), range(4)) == [1] * 4
    assert torch.get_num_threads() == 3


@every_number
@pytest.mark.usefixtures("three_threads")
def test_the_threads_setting_comes_back_after_an_error(threads):
    with pytest.raises(ZeroDivisionError):
        Workers(threads=threads).map(lambda n: 1 // n, range(3))
    assert torch.get_num_threads() == 3


@every_number
def test_the_first_error_in_order_is_raised_itself(threads):
    error = DataError("the second is bad", hint="look at it")

    def job(n: int) -> int:
        if n == 1:
            time.sleep(0.02)
            raise error
        if n == 3:
            raise ValueError("the fourth, too")
        return n

    with pytest.raises(DataError) as raised:
        Workers(threads=threads).map(job, range(4))
    assert raised.value is error


def test_no_new_job_begins_after_an_error():
    begun = []

    def job(n: int) -> None:
        begun.append(n)
        time.sleep(0.1)  # two threads need 2.5 s for half of them: long after the first error
        raise ValueError(n)

    with pytest.raises(ValueError, match="0"):
        Workers(threads=2).map(job, range(100))
    assert len(begun) < 50


@every_number
def test_sums_have_the_same_bits_for_every_number_of_threads(threads):
    rows = torch.randn(37, 100, generator=torch.Generator().manual_seed(0)) * 1e3
    total = Workers(threads=threads).sum(lambda n: {"x": rows[n], "n": torch.tensor(1)}, range(37))
    even, odd = (sum(rows[k::2][1:], rows[k].clone()) for k in (0, 1))
    assert torch.equal(total["x"], even + odd)
    assert total["n"] == 37
    assert not torch.equal(total["x"], rows.flip(0).cumsum(0)[-1]), "any order would pass"


def test_a_sum_leaves_the_jobs_tensors_alone():
    rows = [torch.ones(2), torch.ones(2), torch.ones(2)]
    total = Workers(threads=1).sum(lambda n: {"x": rows[n]}, range(3))
    assert total["x"].tolist() == [3, 3]
    assert all(row.tolist() == [1, 1] for row in rows)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_sums_of_few(count):
    total = Workers(threads=2).sum(lambda n: {"x": torch.tensor(float(n + 1))}, range(count))
    assert {name: float(value) for name, value in total.items()} == (
        {"x": count * (count + 1) / 2} if count else {}
    )


def test_a_name_only_some_jobs_return_is_summed_over_those():
    total = Workers(threads=1).sum(lambda n: {f"x{n % 3}": torch.tensor(float(n))}, range(6))
    assert {name: float(value) for name, value in total.items()} == {"x0": 3, "x1": 5, "x2": 7}


def test_one_process_does_what_main_does():
    workers = Workers(threads=1)
    assert workers.is_main
    assert workers.on_main(lambda: "done") == "done"
    with pytest.raises(KeyError):
        workers.on_main(lambda: {}["missing"])


def test_it_describes_itself():
    assert Workers(threads=3).describe() == {
        "processes": 1,
        "threads_per_process": 3,
        "intra_op_threads": 1,
        "device": "cpu",
        "processor": processor_kind(torch.device("cpu")),
    }
    assert Workers().threads >= 1


def test_devices_are_named_by_kind_and_number(monkeypatch):
    workers = Workers(threads=2)
    with pytest.raises(RecipeError, match="no device 'cuda'") as refused:
        workers.use("cuda")
    assert "no accelerator" in str(refused.value.found)
    assert refused.value.field == "device"
    monkeypatch.setattr(Accelerator, "device", torch.device("cuda:0"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    for name, device, fuses_on, threads in (
        (None, "cuda:0", "cpu", 1),
        ("cuda", "cuda:0", "cuda:0", 1),
        ("cuda:1", "cuda:1", "cuda:1", 1),
        ("cpu", "cpu", "cpu", 2),
    ):
        workers.use(name)
        assert (str(workers.device), str(workers.fuses_on)) == (device, fuses_on)
        assert workers.threads == threads
    for absent in ("cuda:2", "xpu"):
        with pytest.raises(RecipeError, match=absent):
            workers.use(absent)
    monkeypatch.setattr(Accelerator, "device", torch.device("mps"))
    workers.use("mps")
    assert (workers.device.type, workers.fuses_on.type) == ("mps", "cpu")
