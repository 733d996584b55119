"""A job on its way: started, found again, interrupted, and what its end means."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import JobInfo

from hubmerge import errors
from hubmerge.errors import (
    AccessError,
    JobError,
    JobTimeoutError,
    MismatchError,
    NotFoundError,
    RecipeError,
    ResourceError,
    TargetError,
    UnconfirmedError,
)
from hubmerge.jobs.carry_out import Faces, carry_out, chosen
from hubmerge.jobs.estimate import Work
from hubmerge.jobs.follow import follow, without_outcome
from hubmerge.jobs.home import Wheel, bring_alignment, leave, outcome_of, send
from hubmerge.jobs.order import Order, read_order
from hubmerge.jobs.outcome import Failure, Outcome, error_of
from hubmerge.jobs.request import Request
from hubmerge.jobs.submit import account_of_caller, libraries, running, start
from hubmerge.localhub import EmbeddedHub, LocalJobs, embedded_hub

PROGRAM = """
import json, os, sys, time
exec(json.load(open(os.path.join(sys.argv[2], "job.json")))["merge"])
"""
"""Stands for hubmerge: does what the order calls the merge."""
WHEEL = Wheel("hubmerge-0.1.0-py3-none-any.whl", b"wheel", hashlib.sha256(b"wheel").hexdigest())
SMALL = Work(memory=1, disk=1, moved=0, alone=0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHub]:
    jobs = LocalJobs(lambda job: [sys.executable, "-c", PROGRAM])
    with embedded_hub(tmp_path_factory.mktemp("hub"), jobs=jobs) as hub:
        yield hub


def request(does: str) -> Request:
    order = Order(
        command="verify", hubmerge="0.1.0", wheel=WHEEL.sha256, home="me/hubmerge-jobs", merge=does
    )
    return Request(
        what="verify it",
        order=order,
        wheel=WHEEL,
        recipe=None,
        sources=(),
        planned=lambda: (SMALL, None),
    )


class Talk:
    """Agrees to what it is asked, and remembers what it heard."""

    def __init__(self, *, agrees: bool = True, stops: bool = False) -> None:
        self.plan, self.heard = "", list[str]()
        self.agrees, self.stops = agrees, stops
        self.faces = Faces(agree=self.agree, say=self.say, stop=lambda job: self.stops)

    def agree(self, plan: str) -> None:
        self.plan = plan
        if not self.agrees:
            raise UnconfirmedError("no")

    def say(self, line: str) -> None:
        self.heard.append(line)


def test_nothing_is_sent_before_it_is_agreed_to(hub: EmbeddedHub) -> None:
    talk = Talk(agrees=False)
    with pytest.raises(UnconfirmedError):
        carry_out(request("print(1)"), None, "me", talk.faces)
    assert "cpu-basic" in talk.plan
    assert "less than a cent" in talk.plan
    assert not hub.api().repo_exists("me/hubmerge-jobs", repo_type="dataset")


def test_a_job_that_fails_is_quoted(hub: EmbeddedHub) -> None:
    talk = Talk()
    with pytest.raises(JobError) as failed:
        carry_out(request("print('out of luck'); sys.exit(7)"), None, "me", talk.faces)
    assert "exit code: 7" in str(failed.value.found)
    assert "out of luck" in str(failed.value.found)
    assert "out of luck" in talk.heard
    assert hub.api().repo_info("me/hubmerge-jobs", repo_type="dataset").private


def test_a_second_call_follows_the_job_that_runs(hub: EmbeddedHub, tmp_path: Path) -> None:
    flag = tmp_path / "go"
    waits = f"print('on', flush=True)\nwhile not os.path.exists({str(flag)!r}): time.sleep(.02)"
    asked = request(waits)
    commit = send(asked.order, None, WHEEL)
    job = start(
        asked.order, commit, WHEEL, (), flavor=chosen(SMALL, None, "me"), seconds=60, account="me"
    )
    talk = Talk(agrees=False)

    def say(line: str) -> None:
        talk.say(line)
        flag.touch()

    with pytest.raises(JobError, match="left no result"):
        carry_out(asked, None, "me", Faces(agree=talk.agree, say=say, stop=lambda job: False))
    assert job.url in talk.heard[0]
    assert talk.heard[1] == "on"
    assert running(asked.order, "me") is None


@pytest.mark.parametrize("stops", [True, False])
def test_an_interruption_says_what_becomes_of_the_job(hub: EmbeddedHub, stops: bool) -> None:
    asked, talk = request(f"print('on', flush=True); time.sleep({60 + stops})"), Talk(stops=stops)

    def say(line: str) -> None:
        if line == "on":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as ended:
        carry_out(asked, None, "me", Faces(agree=talk.agree, say=say, stop=talk.faces.stop))
    job = running(asked.order, "me")
    if stops:
        assert "was cancelled" in str(ended.value)
        assert job is None
    else:
        assert "The same command follows it again" in str(ended.value)
        assert job is not None
        hub.api().cancel_job(job_id=job.id, namespace="me")
        done, lines = follow(job, talk.say)
        with pytest.raises(JobError, match="was cancelled"):
            raise without_outcome(done, lines, None)


@pytest.fixture
def revoke(hub: EmbeddedHub) -> Iterator[Callable[[], None]]:
    """revoke() takes the owner's token back, until the test ends."""
    before = hub.users.path.read_text()

    def taken_back() -> None:
        users = json.loads(before)
        users["me"]["token"] = "hf_" + "0" * 32
        hub.users.path.write_text(json.dumps(users))

    yield taken_back
    hub.users.path.write_text(before)


def test_a_token_that_is_revoked_while_a_job_runs(
    hub: EmbeddedHub, tmp_path: Path, revoke: Callable[[], None], as_user: Any
) -> None:
    """The job goes on, and is found again with another token."""
    flag = tmp_path / "go"
    asked = request(
        f"print('on', flush=True)\nwhile not os.path.exists({str(flag)!r}): time.sleep(.02)"
    )

    def say(line: str) -> None:
        if line == "on":
            revoke()
            flag.touch()

    with pytest.raises(AccessError, match="can no longer be followed") as lost:
        carry_out(asked, None, "me", Faces(agree=print, say=say, stop=lambda job: False))
    assert "/jobs/me/" in str(lost.value.source)
    assert "the same command with a token that the Hub takes" in str(lost.value.hint)
    as_user(hub.token)
    leave(asked.order, Outcome(exit_code=0), None)
    assert outcome_of(asked.order) == Outcome(exit_code=0)


def test_a_job_that_runs_out_of_time(hub: EmbeddedHub) -> None:
    asked = request("print('half done', flush=True); time.sleep(600)")
    commit = send(asked.order, None, WHEEL)
    machine = chosen(SMALL, None, "me")
    start(asked.order, commit, WHEEL, (), flavor=machine, seconds=2, account="me")
    with pytest.raises(JobTimeoutError) as late:
        carry_out(asked, None, "me", Talk().faces)
    assert "half done" in str(late.value.found)
    assert "a faster flavour" in str(late.value.hint)
    assert "the same command finds the result, or makes it" in str(late.value.hint)
    assert not [*hub.api().list_models(author="me")]


def test_who_may_not_run_jobs_is_told_what_is_needed(hub: EmbeddedHub, as_user: Any) -> None:
    as_user(hub.add_user("guest"))
    account = account_of_caller()
    with pytest.raises(AccessError) as refused:
        carry_out(request("1"), None, account, Talk().faces)
    assert "guest may not run jobs" in str(refused.value.found)
    assert "start and manage jobs" in str(refused.value.hint)
    as_user("")
    with pytest.raises(AccessError, match="needs a token"):
        account_of_caller()


def test_a_job_that_is_gone_is_said_to_be(hub: EmbeddedHub) -> None:
    gone = info("RUNNING", endpoint=hub.url)
    with pytest.raises(NotFoundError, match="no longer exists"):
        follow(gone, print)


def test_a_public_data_set_takes_no_orders(hub: EmbeddedHub) -> None:
    api = hub.api()
    api.create_repo("me/shown", repo_type="dataset", private=False)
    order = request("1").order.model_copy(update={"home": "me/shown"})
    with pytest.raises(TargetError, match="is public"):
        send(order, None, WHEEL)


def test_a_file_of_the_name_of_a_word_is_not_sent_along(
    hub: EmbeddedHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "job").write_text("secret")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match="a file called 'job' lies here"):
        carry_out(request("1"), None, "me", Talk().faces)


def test_an_outcome_comes_back_whole_and_leaves_with_the_next_order(
    hub: EmbeddedHub, tmp_path: Path
) -> None:
    order = request("a match").order
    send(order, "recipe: 1", WHEEL)
    assert outcome_of(order) is None
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "alignment.safetensors").write_bytes(b"x")
    refusal = MismatchError("they differ", found="\u202e", hint="x", field="models")
    outcome = Outcome(exit_code=13, printed="a\nb\n", failure=Failure.of(refusal))
    leave(order, outcome, tmp_path / "found")
    found = outcome_of(order)
    assert found == outcome
    error = error_of(found, "https://hub/jobs/1", [])
    assert isinstance(error, MismatchError)
    assert error.message == refusal.message
    bring_alignment(order, tmp_path / "brought")
    assert (tmp_path / "brought" / "alignment.safetensors").read_bytes() == b"x"
    send(order, "recipe: 1", WHEEL)
    assert outcome_of(order) is None
    files = hub.api().list_repo_files(order.home, repo_type="dataset")
    assert f"{order.place}/job.json" in files
    assert not any("alignment" in name for name in files)


def info(stage: str, message: str = "", seconds: int = 1, endpoint: str = "https://hub") -> JobInfo:
    """A job as the client reads it."""
    owner = {"id": "me", "name": "me", "type": "user"}
    status = {"stage": stage, "message": message}
    fields = {"status": status, "owner": owner, "durations": {"runningSecs": seconds}}
    return JobInfo(id="0" * 24, endpoint=endpoint, **fields)


@pytest.mark.parametrize(
    ("job", "kind"),
    [
        (info("ERROR", "Job timeout"), JobTimeoutError),
        (info("ERROR", "", seconds=1800), JobTimeoutError),
        (info("ERROR", "Job failed with exit code: 1"), JobError),
        (info("ERROR", "Job failed with exit code: 137"), ResourceError),
        (info("ERROR", "OOMKilled"), ResourceError),
        (info("CANCELED", seconds=1800), JobError),
        (info("COMPLETED"), JobError),
    ],
)
def test_an_end_without_an_outcome_has_its_own_error(job: JobInfo, kind: type) -> None:
    error = without_outcome(job, ["a", "", "b"], 1800)
    assert type(error) is kind
    assert "the same command finds the result, or makes it" in str(error.hint)


def test_exit_codes_become_errors() -> None:
    assert isinstance(error_of(Outcome(exit_code=137), "j", ["x"]), ResourceError)
    assert isinstance(error_of(Outcome(exit_code=1), "j", ["x"]), JobError)
    assert error_of(Outcome(exit_code=44, printed="x"), "j", []) is None
    assert error_of(Outcome(exit_code=0), "j", []) is None
    unknown = Failure(kind="SystemExit", what="x").error()
    assert type(unknown) is JobError
    assert {"JobError", "JobTimeoutError", "UnconfirmedError"} <= set(errors.exit_codes())


def test_an_order_is_named_by_all_that_it_says() -> None:
    one = request("a").order
    assert read_order(one.model_dump_json()).key == one.key
    assert one.key != one.model_copy(update={"level": "load"}).key
    for text in ("{}", "no", one.model_dump_json()[:-1] + ', "more": 1}'):
        with pytest.raises(RecipeError, match="no order of hubmerge's"):
            read_order(text)


def test_libraries_are_pinned_to_those_that_are_here() -> None:
    found = dict(each.split("==") for each in libraries())
    assert {"torch", "transformers", "numpy"} <= set(found)
    assert not any("+" in version for version in found.values())
    assert "gradio" not in found
