"""Laws of the queue's order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spaces_app.service.fair_queue import fair_order, position
from spaces_app.service.job import Job


def job(owner: str, created: int) -> Job:
    return Job(owner=owner, recipe="", plan={}, created=created)


jobs = st.lists(st.builds(job, st.sampled_from("abc"), st.integers(0, 9)), max_size=12)


@given(jobs, jobs)
def test_no_job_is_lost_and_positions_are_places(waiting: list[Job], running: list[Job]) -> None:
    order = fair_order(waiting, running)
    assert sorted(job.id for job in order) == sorted(job.id for job in waiting)
    places = [position(job.id, waiting, running) for job in order]
    assert places == list(range(len(waiting)))


@given(jobs, jobs)
def test_no_visitor_gets_two_turns_before_another_waiting_gets_one(
    waiting: list[Job], running: list[Job]
) -> None:
    order = fair_order(waiting, running)
    turns = {owner: sum(job.owner == owner for job in running) for owner in "abc"}
    for place, chosen in enumerate(order):
        for other in order[place:]:
            assert turns[chosen.owner] <= turns[other.owner]
        turns[chosen.owner] += 1


@given(jobs)
def test_one_persons_jobs_stay_in_order(waiting: list[Job]) -> None:
    order = fair_order(waiting, [])
    for owner in "abc":
        mine = [job.created for job in order if job.owner == owner]
        assert mine == sorted(mine)


def test_what_does_not_wait_has_no_position() -> None:
    assert position("nobody", [job("a", 1)], []) is None
