"""Merges on the Hub are verified by the app itself, commit by commit, and ranked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hubmerge.localhub import EmbeddedHub
from spaces_app.service.gallery import FALSE, UNVERIFIED, VERIFIED, GalleryEntry, leaderboards
from spaces_app.service.jobs import JobService
from spaces_app.service.limits import Limits
from spaces_app.service.verified import Gain, Verified, gain_of
from spaces_app.service.visitors import Visitor
from tests.helpers.example_report import example
from tests.helpers.jobs import ended, quick

MERGE = "me/to-be-verified"


def test_a_commit_is_verified_and_another_one_is_not(
    hub: EmbeddedHub, me: Visitor, anonymous: Visitor, tmp_path: Path
) -> None:
    jobs = JobService(tmp_path / "desk", Limits(leaderboard_rows=60))
    try:
        made = jobs.submit(me, quick())
        assert ended(jobs, me, made.id).job.refusal is None
        jobs.publish(me, made.id, {"push": MERGE, "private": False})

        def entry() -> GalleryEntry:
            return next(each for each in jobs.gallery(anonymous) if each.id == MERGE)

        assert entry().verified == UNVERIFIED
        found = jobs.verifier.verify_next()
        assert found is not None
        assert (found.merge, found.level, found.why) == (MERGE, "remake", ())
        assert entry().verified == VERIFIED
        ((task, data), ranked), *_ = leaderboards([entry()], 60).items()
        assert (task, data) == ("image-classification", "me/digits")
        assert ranked[0][1] == gain_of(ended_report(jobs, me, made.id))
        assert leaderboards([entry()], 61) == {}

        report = tmp_path / "report.json"
        said = json.loads(jobs.result(me, made.id).joinpath("report.json").read_text())
        said["contenders"]["merge"]["accuracy"] = 0.999
        report.write_text(json.dumps(said))
        hub.api().upload_file(path_or_fileobj=report, path_in_repo=report.name, repo_id=MERGE)
        assert entry().verified == UNVERIFIED
        false = jobs.verifier.verify_next()
        assert false is not None
        assert false.false
        assert any("accuracy" in each for each in false.why)
        assert entry().verified == FALSE
        assert leaderboards([entry()], 60) == {}
    finally:
        jobs.close()


def ended_report(jobs: JobService, me: Visitor, job: str):
    from hubmerge.reporting.schema.report import Report

    return Report.read(jobs.result(me, job))


def test_what_a_space_does_not_run_is_not_verified(
    hub: EmbeddedHub, me: Visitor, tmp_path: Path
) -> None:
    jobs = JobService(tmp_path / "desk", Limits(leaderboard_rows=60, verify_seconds=0))
    try:
        jobs.verifier.start()
        assert jobs.is_healthy()
    finally:
        jobs.close()


GAIN = Gain(
    task="image-classification",
    dataset="o/d",
    split="test",
    rows=1000,
    metric="accuracy",
    merge=0.9,
    parent="o/a",
    better_parent=0.8,
    difference=0.1,
    low=0.08,
)


def ranked(name: str, level: str | None, low: float, **changes: object) -> GalleryEntry:
    gain = GAIN.model_copy(update={"low": low, **changes})
    proof = Verified(merge=name, sha="0" * 40, level=level, gain=gain)
    blank = GalleryEntry(
        id=name,
        parents=(),
        data=None,
        verdict=None,
        accuracy=None,
        barrier=None,
        rows=None,
        updated="",
    )
    return replace(blank, proof=proof)


def test_what_was_made_again_goes_first_then_the_lower_bound() -> None:
    entries = [
        ranked("o/measured", "measure", 0.3),
        ranked("o/low", "remake", 0.01),
        ranked("o/high", "remake", 0.02),
        ranked("o/few", "remake", 0.5, rows=999),
        ranked("o/open", None, 0.5),
        ranked("o/text", "remake", 0.1, task="text-classification"),
    ]
    boards = leaderboards(entries, 1000)
    names = {key: [entry.id for entry, _ in board] for key, board in boards.items()}
    assert names == {
        ("image-classification", "o/d"): ["o/high", "o/low", "o/measured"],
        ("text-classification", "o/d"): ["o/text"],
    }


def test_the_gain_is_over_the_better_parent() -> None:
    report = example()
    gain = gain_of(report)
    assert gain is not None
    better = max(report.contenders.parents, key=lambda each: each.accuracy or 0)
    assert gain.better_parent == better.accuracy
    unmeasured = [each.model_copy(update={"accuracy_low": None}) for each in report.comparisons]
    assert gain_of(report.model_copy(update={"comparisons": unmeasured})) is None


@pytest.mark.parametrize("changes", [{"data": None}])
def test_without_data_there_is_no_gain(changes: dict) -> None:
    assert gain_of(example().model_copy(update=changes)) is None
