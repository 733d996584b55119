"""What is said about the time left, and about the past it rests on."""

from __future__ import annotations

from typing import Any

from spaces_app.service.estimate import expected, remaining
from spaces_app.service.job import Job
from spaces_app.service.job_progress import STAGES, Bar, JobProgress, ProgressTracker


def plan(size: int, family: str = "vit", data: bool = True) -> dict[str, Any]:
    models = [{"parameters": size}, {"parameters": size}]
    return {"models": models, "both": {"family": family}, "data": {"id": "o/d"} if data else None}


def past(size: int, seconds: float, **given: Any) -> Job:
    job = Job(owner="o", recipe="", plan=plan(size, **given))
    return job.as_done(dict.fromkeys(STAGES, seconds))


def test_without_a_past_there_is_no_estimate() -> None:
    assert expected(plan(100), []) is None
    assert expected(plan(100), [past(100, 1.0, family="resnet")]) is None
    assert expected(plan(100), [past(100, 1.0, data=False)]) is None
    assert remaining(JobProgress("load", 3.0), None) is None


def test_twice_the_weights_take_twice_the_time() -> None:
    found = expected(plan(200), [past(100, 2.0)])
    assert found == dict.fromkeys(STAGES, 4.0)


def test_the_nearest_in_size_decide() -> None:
    jobs = [past(100, 1.0) for _ in range(5)] + [past(10**6, 10.0**6) for _ in range(5)]
    assert expected(plan(100), jobs) == dict.fromkeys(STAGES, 1.0)


def test_it_counts_down_over_the_stages() -> None:
    each = dict.fromkeys(STAGES, 2.0)
    lefts = [remaining(JobProgress(stage, 1.0), each) for stage in STAGES]
    assert lefts == sorted(lefts, reverse=True)  # type: ignore[type-var]
    assert lefts[-1] == 1.0


def test_a_path_is_followed_by_another() -> None:
    half = JobProgress("measure", 9.0, {}, Bar("naive path", 5, 10, "point"), 4.0)
    assert remaining(half, None) == 4.0 + 8.0
    assert remaining(half, None, paths=1) == 4.0
    last = JobProgress("measure", 9.0, {}, Bar("matched path", 5, 10, "point"), 4.0)
    assert remaining(last, None) == 4.0


def test_the_events_of_a_worker_add_up() -> None:
    tracker = ProgressTracker()
    bar = {"event": "Progress", "unit": "it"}
    tracker.handle({"event": "Stage", "name": "match"})
    tracker.handle({**bar, "what": "outer", "done": 0, "total": 1, "depth": 0})
    tracker.handle({**bar, "what": "inner", "done": 3, "total": 4, "depth": 1})
    assert tracker.progress().bar == Bar("inner", 3, 4, "it")
    tracker.handle({"event": "Point", "path": "naive", "lam": 0.5, "loss": 2.0, "accuracy": 0.1})
    tracker.handle({"event": "Point", "path": "naive", "lam": 0.0, "loss": 1.0, "accuracy": 0.9})
    assert tracker.progress().points == {"naive": [(0.0, 1.0, 0.9), (0.5, 2.0, 0.1)]}
    tracker.handle({"event": "Stage", "name": "save"})
    assert tracker.progress().bar is None
    assert list(tracker.end()) == ["match", "save"]
