"""From a recipe handed in to a merge that can be tried, packed and published; and every end."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from transformers import ErnieConfig, ErnieModel

from hubmerge.localhub import EmbeddedHub
from hubmerge.pipeline.weight_hashes import weight_hashes
from hubmerge.recipe import Recipe
from hubmerge.reporting.schema.report import Report
from spaces_app.service.actions import pack
from spaces_app.service.job import Refused, State
from spaces_app.service.jobs import JobService
from spaces_app.service.limits import Limits
from spaces_app.service.scheduler import Scheduler
from spaces_app.service.visitors import Visitor, anonymous_visitor
from tests.helpers import zoo
from tests.helpers.jobs import Workers, begins, ended, quick, until


def image(kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(content, kind)
    return content.getvalue()


def refused(act) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.refusal.kind


def test_the_whole_path(jobs: JobService, hub: EmbeddedHub, me: Visitor, workers: Workers) -> None:
    planned = jobs.plan(me, quick())
    assert planned.plan["both"]["family"] == "mlp_head"
    assert not planned.private
    assert planned.seconds is None  # nothing was ever done on this machine
    workers.halt(lambda told: told["event"] == "Point" and told["path"] == "matched")
    job = jobs.submit(me, quick())
    workers.halted()
    assert jobs.status(me, job.id).job.state is State.RUNNING
    assert jobs.status(me, job.id).progress.points["naive"]
    workers.go_on()
    done = ended(jobs, me, job.id).job
    assert done.state is State.DONE, done.refusal
    report = Report.read(jobs.result(me, job.id))
    assert report.n == 60
    said = jobs.predict(me, job.id, image())
    assert list(said) == ["Parent A", "Parent B", "Naive average", "This merge"]
    for best in said.values():
        shares = [share for _, share in best]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-9
    packed = jobs.archive(me, job.id)
    assert packed.read_bytes() == jobs.archive(me, job.id).read_bytes()
    assert "model.safetensors" in zipfile.ZipFile(packed).namelist()
    published = jobs.publish(me, job.id, {"push": "me/from-the-desk", "private": False})
    assert published["changed"]
    there = hub.api().hf_hub_download("me/from-the-desk", "model.safetensors")
    assert {"model.safetensors": weight_hashes(Path(there).parent)["model.safetensors"]} == (
        report.weights_sha256
    )
    assert not jobs.publish(me, job.id, {"push": "me/from-the-desk", "private": False})["changed"]
    assert jobs.plan(anonymous_visitor("x"), quick()).seconds is not None


def test_publishing_needs_a_name(jobs: JobService, anonymous: Visitor) -> None:
    assert refused(lambda: jobs.publish(anonymous, "any", {"push": "me/x"})) == "AccessError"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"models": ("me/mlp-a", "me/vit-a")}, "MismatchError"),
        ({"models": ("me/mlp-a", "me/nobody")}, "NotFoundError"),
        ({"models": ("me/mlp-a", "/etc/passwd")}, "RecipeError"),
        ({"models": ("me/mlp-a", "../../me")}, "RecipeError"),
        ({"models": ("me/mlp-a", "<script>/x")}, "RecipeError"),
        ({"base": "/etc", "fuse": "ties"}, "RecipeError"),
        ({"base": "~/models", "fuse": "ties"}, "RecipeError"),
        ({"fuse": "twa", "fuse_options": {"epochs": 10**9}}, "ResourceError"),
        ({"trust_remote_code": True}, "RecipeError"),
        ({"samples": "all"}, "ResourceError"),
    ],
)
def test_refusals_come_with_the_plan(
    jobs: JobService, anonymous: Visitor, changes: dict, kind: str
) -> None:
    assert refused(lambda: jobs.submit(anonymous, quick(**changes))) == kind
    assert not jobs.jobs_of(anonymous)
    assert not any(jobs.folders.jobs.iterdir())


def test_a_model_over_the_cap_is_refused(hub: EmbeddedHub, tmp_path: Path, me: Visitor) -> None:
    jobs = JobService(tmp_path, Limits(parameters=100))
    try:
        assert refused(lambda: jobs.plan(me, quick())) == "ResourceError"
    finally:
        jobs.close()


def test_a_spec_is_derived_within_the_limit_of_time(
    hub: EmbeddedHub, tmp_path: Path, me: Visitor
) -> None:
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2}
    config = ErnieConfig(**sizes, num_hidden_layers=1, vocab_size=31, max_position_embeddings=12)
    for letter in "ab":
        ErnieModel(config).save_pretrained(tmp_path / letter)
        zoo.push(hub, f"me/ernie-{letter}", tmp_path / letter)
    recipe = Recipe(models=("me/ernie-a", "me/ernie-b"))
    jobs = JobService(tmp_path / "jobs", Limits(derive_seconds=0))
    try:
        with pytest.raises(Refused) as said:
            jobs.plan(me, recipe)
    finally:
        jobs.close()
    assert said.value.refusal.kind == "ResourceError"
    assert "deriving a spec of ErnieModel takes longer than it may" in said.value.refusal.what


def test_one_person_may_not_fill_the_queue(
    jobs: JobService, anonymous: Visitor, workers: Workers
) -> None:
    workers.halt(begins("plan"))
    numbers = [jobs.submit(anonymous, quick(seed=seed)).id for seed in range(3)]
    assert refused(lambda: jobs.submit(anonymous, quick(seed=9))) == "ResourceError"
    other = anonymous_visitor("other")
    assert jobs.submit(other, quick()).state is State.WAITING
    for number in numbers:
        jobs.stop(anonymous, number)


def test_who_has_not_signed_in_may_not_fill_the_queue(
    hub: EmbeddedHub, tmp_path: Path, me: Visitor
) -> None:
    jobs = JobService(tmp_path, Limits(heavy=0, waiting=4))
    try:
        for name in ("a", "b"):
            jobs.submit(anonymous_visitor(name), quick())
        assert refused(lambda: jobs.submit(anonymous_visitor("c"), quick())) == "ResourceError"
        for seed in range(2):
            jobs.submit(me, quick(seed=seed))
        assert refused(lambda: jobs.submit(me, quick(seed=2))) == "ResourceError"
    finally:
        jobs.close()


def test_stop_leaves_nothing(jobs: JobService, anonymous: Visitor, workers: Workers) -> None:
    workers.halt(begins("match"))
    job = jobs.submit(anonymous, quick())
    workers.halted()
    assert jobs.status(anonymous, job.id).progress.stage == "match"
    jobs.stop(anonymous, job.id)
    assert jobs.status(anonymous, job.id).job.state is State.STOPPED
    until(lambda: not any(jobs.folders.jobs.iterdir()))
    assert refused(lambda: jobs.result(anonymous, job.id)) == "NotFoundError"
    assert not list(jobs.folders.shared.rglob("*.incomplete"))


def test_only_its_owner_can_stop_a_job(jobs: JobService, anonymous: Visitor) -> None:
    job = jobs.submit(anonymous, quick())
    assert refused(lambda: jobs.stop(anonymous_visitor("stranger"), job.id)) == "AccessError"
    assert ended(jobs, anonymous, job.id).job.state is State.DONE


def test_memory_that_runs_out_is_an_error_of_its_own_job(
    hub: EmbeddedHub, tmp_path: Path, me: Visitor
) -> None:
    jobs = JobService(tmp_path, Limits(memory=1 << 20))
    try:
        kinds = ("ResourceError", "WorkerKilled", "RuntimeError", "MemoryError", "OSError")
        assert refused(lambda: jobs.plan(me, quick())) in kinds
        assert jobs.is_healthy()
    finally:
        jobs.close()


def test_a_private_model_stays_with_its_owner(
    jobs: JobService, guest: Visitor, me: Visitor, anonymous: Visitor
) -> None:
    recipe = quick(models=("guest/secret-a", "me/mlp-b"))
    assert refused(lambda: jobs.plan(anonymous, recipe)) == "NotFoundError"
    assert jobs.plan(guest, recipe).private
    job = jobs.submit(guest, recipe)
    assert ended(jobs, guest, job.id).job.state is State.DONE
    assert jobs.result(guest, job.id).is_dir()
    assert refused(lambda: jobs.status(anonymous, job.id)) == "NotFoundError"
    assert refused(lambda: jobs.result(me, job.id)) == "NotFoundError"
    assert refused(lambda: jobs.plan(anonymous, recipe)) == "NotFoundError"
    held = list(jobs.folders.shared.rglob("*secret*"))
    assert not held
    assert any(jobs.folders.job(job.id).rglob("*secret*"))
    assert not jobs._scheduler._tokens


def test_results_expire(
    jobs: JobService, anonymous: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.submit(anonymous, quick())
    assert ended(jobs, anonymous, job.id).job.state is State.DONE
    jobs.clean_up()
    assert jobs.result(anonymous, job.id).is_dir()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + jobs.limits.keep_seconds + 1)
    jobs.clean_up()
    assert refused(lambda: jobs.status(anonymous, job.id)) == "NotFoundError"
    assert not any(jobs.folders.jobs.iterdir())


def test_only_so_many_results_of_one_person_are_kept(hub: EmbeddedHub, tmp_path: Path) -> None:
    jobs = JobService(tmp_path, Limits(kept_per_person=1))
    try:
        visitor = anonymous_visitor("collector")
        numbers = []
        for seed in range(2):
            numbers.append(jobs.submit(visitor, quick(seed=seed)).id)
            ended(jobs, visitor, numbers[-1])
        jobs.clean_up()
        assert [job.id for job in jobs.jobs_of(visitor)] == numbers[1:]
    finally:
        jobs.close()


def test_half_files_that_get_their_names_meanwhile_do_not_end_the_tidying(jobs: JobService) -> None:
    blobs = jobs.folders.shared / "models--me--half" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "half.incomplete").symlink_to(blobs / "whole")  # listed, and then not there
    (blobs / "old").write_bytes(b"weights")
    jobs.folders.shrink(0)
    assert not blobs.exists()


def test_what_cannot_be_tidied_now_is_tried_again(
    hub: EmbeddedHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Scheduler] = []

    def fail(scheduler: Scheduler) -> None:
        tried.append(scheduler)
        raise OSError("somebody holds it")

    monkeypatch.setattr(Scheduler, "clean_up", fail)
    monkeypatch.setattr("spaces_app.service.scheduler.CLEAN_UP_SECONDS", 0.01)
    jobs = JobService(tmp_path)
    try:
        until(lambda: len(tried) > 1)
        assert jobs.is_healthy()
    finally:
        jobs.close()


def test_who_asks_for_the_archive_while_it_is_packed_gets_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "job"
    (folder / "merge").mkdir(parents=True)
    (folder / "merge" / "model.safetensors").write_bytes(b"weights")
    first, second = (str(tmp_path / name) for name in ("first", "second"))
    for work in (first, second):
        Path(work).mkdir()
    rename = Path.rename

    def between(partial: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        pack({"folder": str(folder), "work": second})
        return rename(partial, target)

    monkeypatch.setattr(Path, "rename", between)
    packed = pack({"folder": str(folder), "work": first})["path"]
    assert zipfile.ZipFile(packed).read("model.safetensors") == b"weights"


def test_a_restart_forgets_nothing(
    hub: EmbeddedHub, tmp_path: Path, anonymous: Visitor, workers: Workers
) -> None:
    first = JobService(tmp_path)
    done = first.submit(anonymous, quick()).id
    ended(first, anonymous, done)
    workers.halt(begins("load"))
    under_way = first.submit(anonymous, quick(seed=1)).id
    waiting = first.submit(anonymous, quick(seed=2)).id
    workers.halted()
    assert first.status(anonymous, under_way).job.state is State.RUNNING
    first.close()
    second = JobService(tmp_path)
    try:
        assert second.result(anonymous, done).is_dir()
        for number in (under_way, waiting):
            assert ended(second, anonymous, number).job.state is State.DONE
    finally:
        second.close()


def test_a_restart_forgets_tokens(
    hub: EmbeddedHub, tmp_path: Path, guest: Visitor, workers: Workers
) -> None:
    first = JobService(tmp_path)
    workers.halt(begins("load"))
    job = first.submit(guest, quick(models=("guest/secret-a", "me/mlp-b")))
    workers.halted()
    first.close()
    second = JobService(tmp_path)
    try:
        look = ended(second, guest, job.id)
        assert look.job.refusal is not None
        assert look.job.refusal.kind == "Restarted"
    finally:
        second.close()


@pytest.mark.parametrize("content", [b"", b"<svg/>", image()[:40], b"GIF89a" + b"\0" * 30])
def test_what_is_no_image_is_refused(jobs: JobService, anonymous: Visitor, content: bytes) -> None:
    from hubmerge.errors import DataError
    from spaces_app.service.actions import open_image

    with pytest.raises(DataError):
        open_image(content)


def test_an_image_is_shown_to_models_upright() -> None:
    from PIL import Image

    from spaces_app.service.actions import open_image

    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # a quarter turn to the right
    Image.new("RGB", (8, 4)).save(file, "PNG", exif=exif)
    assert open_image(file.getvalue()).size == (4, 8)
