"""Which machine a job gets, what it costs, and how long it may take."""

from __future__ import annotations

from dataclasses import replace

import pytest
from huggingface_hub import JobHardwareInfo

from hubmerge.errors import RecipeError, ResourceError
from hubmerge.jobs.estimate import LEAST, LIBRARIES, Work, cost_text, time_text
from hubmerge.jobs.flavors import Flavor, choose, dollars, flavor_of
from hubmerge.jobs.options import Machine
from hubmerge.localhub.jobs.hardware import hardware

GB = 10**9
GPU = Flavor(
    name="t4-small", cores=4, memory=400 * GB, disk=None, accelerator="1 x T4", second=1e-9
)


def offered() -> list[Flavor]:
    """What the embedded Hub offers, as the client reads it, and a cheap GPU."""
    found = [flavor_of(JobHardwareInfo(**each)) for each in hardware()]
    return [*(each for each in found if each is not None), GPU]


def test_sizes_and_prices_are_read() -> None:
    basic = offered()[0]
    assert (basic.name, basic.cores, basic.memory, basic.disk) == ("cpu-basic", 2, 16 * GB, 50 * GB)
    assert basic.second * 3600 == pytest.approx(0.01)
    unpriced = JobHardwareInfo(**(hardware()[0] | {"unitLabel": "moon"}))
    assert flavor_of(unpriced) is None


@pytest.mark.parametrize(
    ("memory", "disk", "name"),
    [(1, 1, "cpu-basic"), (16, 50, "cpu-basic"), (17, 1, "cpu-upgrade"), (1, 51, "cpu-xl")],
)
def test_the_cheapest_that_is_large_enough_is_taken(memory: int, disk: int, name: str) -> None:
    assert choose(offered(), None, memory=memory * GB, disk=disk * GB).name == name


def test_a_gpu_is_taken_only_by_its_name() -> None:
    assert choose(offered(), "t4-small", memory=GB, disk=GB) is GPU
    with pytest.raises(ResourceError, match="no flavour of hf-jobs is large enough"):
        choose(offered(), None, memory=300 * GB, disk=GB)


def test_an_unknown_flavour_is_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'cpu-xl'"):
        choose(offered(), "cpu-xxl", memory=GB, disk=GB)


def test_a_flavour_that_is_too_small_is_answered_with_those_that_will_do() -> None:
    with pytest.raises(ResourceError) as refused:
        choose(offered(), "cpu-basic", memory=20 * GB, disk=GB)
    assert "20.0 GB of memory" in str(refused.value.found)
    assert 'on="hf-jobs:cpu-upgrade"' in str(refused.value.hint)


@pytest.mark.parametrize("given", ["hf-job", "hf-jobs:", "moon", ""])
def test_another_place_is_refused(given: str) -> None:
    with pytest.raises(RecipeError, match="is no place to work"):
        _ = Machine(on=given).flavor


def test_a_place_may_name_its_flavour() -> None:
    assert Machine(on="hf-jobs:cpu-xl").flavor == "cpu-xl"
    assert Machine(on="hf-jobs").flavor is None
    assert not Machine().is_elsewhere


def test_time_is_bounded_by_four_times_the_estimate_in_steps() -> None:
    work = Work(memory=10 * GB, disk=GB, moved=30 * GB, alone=7200.0)
    machine = offered()[0]
    assert work.needed == (12 * GB, GB + LIBRARIES)
    assert work.seconds(machine) == 300 + 300 + 3600
    assert work.limit(machine) == 4 * 4200
    assert work.limit(replace(machine, cores=1)) == 4 * 7800
    assert replace(work, moved=0, alone=0).limit(machine) == LEAST
    assert time_text(work, machine).startswith("about 1 h 10 min")
    assert cost_text(work, machine) == "$0.01, at most $0.05"


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "$0.00"), (0.001, "less than a cent"), (0.014, "$0.01"), (3, "$3.00")]
)
def test_prices_are_said(amount: float, text: str) -> None:
    assert dollars(amount) == text
