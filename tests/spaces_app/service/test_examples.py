"""The app's own merges: as many as it has examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubmerge.errors import ResourceError
from spaces_app.service.job import Job
from spaces_app.service.jobs import JobService
from spaces_app.service.limits import Limits
from spaces_app.service.visitors import APP, anonymous_visitor


def test_the_limit_of_a_person_does_not_hold_for_the_examples(tmp_path: Path) -> None:
    jobs = JobService(tmp_path, Limits(heavy=0, per_person=1))
    visitor = anonymous_visitor("x")

    def queue(owner: str) -> None:
        jobs._scheduler.submit(Job(owner=owner, recipe="", plan={}), None)

    try:
        for _ in range(3):
            queue(APP.key)
        queue(visitor.key)
        with pytest.raises(ResourceError, match="1 unfinished"):
            queue(visitor.key)
        assert len(jobs.jobs_of(APP)) == 3
    finally:
        jobs.close()
