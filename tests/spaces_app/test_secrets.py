"""Tokens are nowhere but in memory: looked for in every file, line, answer and process."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from hubmerge.localhub import EmbeddedHub
from spaces_app.service.job import Refused
from spaces_app.service.jobs import JobService
from spaces_app.service.log import log, redact
from spaces_app.service.visitors import Sessions, Visitor, hub_visitor
from tests.helpers.app_process import an_app
from tests.helpers.browser import PageVisitor, a_browser
from tests.helpers.jobs import PATIENCE, Workers, begins, quick, until
from tests.helpers.recorder import recorded


def holding(root: Path, secret: str) -> list[Path]:
    """Files below `root` that hold it, by name or content."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return [path for path in files if secret in str(path) or secret.encode() in path.read_bytes()]


def shown_below(secret: str, pid: int | None = None) -> list[int]:
    """Processes started by that one, or by this, that show it to all who list them."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended since
            shown = " ".join([*process.cmdline(), *process.environ().values()])
            if secret in shown:
                found.append(process.pid)
    return found


def test_a_token_is_nowhere(
    jobs: JobService,
    hub: EmbeddedHub,
    guest: Visitor,
    workers: Workers,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert guest.token is not None
    recipe = quick(models=("guest/secret-a", "me/mlp-b"))
    answers = [jobs.plan(guest, recipe).plan]
    workers.halt(begins("measure"))
    job = jobs.submit(guest, recipe)
    workers.halted()
    assert not shown_below(guest.token)
    assert not holding(jobs.folders.root, guest.token)
    workers.go_on()
    until(lambda: jobs.status(guest, job.id).job.has_ended)
    answers.append(jobs.status(guest, job.id).job.model_dump())
    answers.append(jobs.publish(guest, job.id, {"push": "guest/marked", "private": True}))
    packed = jobs.archive(guest, job.id)
    with pytest.raises(Refused) as refused:
        jobs.publish(guest, job.id, {"push": "me/not-mine", "private": True})
    answers.append(refused.value.refusal.model_dump())
    assert guest.token not in json.dumps(answers, default=str)
    assert guest.token.encode() not in packed.read_bytes()
    assert not holding(jobs.folders.root, guest.token)
    assert not holding(hub.root / "repos", guest.token)
    written = capfd.readouterr()
    assert guest.token not in written.out + written.err
    assert '"event": "published"' in written.err
    assert guest.token not in repr(guest)
    assert not jobs._scheduler._tokens


def test_tokens_are_nowhere_after_the_whole_path_through_the_app(
    hub: EmbeddedHub, guest: Visitor, tmp_path: Path
) -> None:
    """One token is signed in with and used; the other is that of who started the program."""
    assert guest.token is not None
    tokens = (guest.token, hub.token)
    long = "longer-than-the-path-of-a-socket-may-be-" * 3
    places = {name: tmp_path / name for name in ("home", "uploads", long)}
    for place in places.values():
        place.mkdir()
    env = {
        "HF_TOKEN": hub.token,
        "HF_HOME": str(places["home"]),
        "TMPDIR": str(places[long]),
        "GRADIO_TEMP_DIR": str(places["uploads"]),
    }
    with an_app(tmp_path / "app", env=env) as app, recorded(app.url) as wire, a_browser() as chrome:
        plain = {"accept-encoding": "identity"}
        visitor = PageVisitor(chrome, wire.url, extra_http_headers=plain).arrives()
        visitor.sign_in("hf_MARKEDMARKEDMARKED", "does not accept the token")
        visitor.sign_in(guest.token)
        visitor.be_quick()
        visitor.pick("guest/secret-a", "me/mlp-b", "me/digits")
        assert "private" in visitor.see("#plan .hm-good").inner_text()
        visitor.start()
        visitor.see("#progress .hm-now, #verdict .hm-verdict")  # it may be done before a look
        assert not any(shown_below(token, app.process.pid) for token in tokens)
        visitor.see("#verdict .hm-verdict")
        repo = "guest/marked-in-the-app"
        visitor.publish(repo)
        visitor.see("#published .hm-good")
        visitor.publish("me/not-the-guests")
        visitor.see("#published .hm-refused")
        visitor.page.goto(f"{wire.url}/gallery")
        visitor.see("#gallery tbody", repo)
        for path in ("metrics", "health", "config"):
            visitor.context.request.get(f"{wire.url}/{path}")
        kept = json.dumps(visitor.context.storage_state())
        visitor.leaves()
        app.process.send_signal(signal.SIGTERM)
        assert app.process.wait(timeout=PATIENCE) == 0
    said, answers = app.said.read_text(), bytes(wire.down)
    assert '"event": "published"' in said
    assert b"Signed in as" in answers, "what went over the wire could not be read"
    for token in (*tokens, "hf_MARKEDMARKEDMARKED"):
        assert token.encode() not in answers
        assert token not in said + kept
        for place in (tmp_path, hub.root / "repos", hub.root / "blobs"):
            assert not holding(place, token)


def test_a_broken_token_is_not_said_aloud(
    jobs: JobService, capfd: pytest.CaptureFixture[str]
) -> None:
    stranger = hub_visitor("stranger", "hf_MARKEDMARKEDMARKED")
    recipe = quick(models=("guest/secret-a", "me/mlp-b"))
    with pytest.raises(Refused) as refused:
        jobs.plan(stranger, recipe)
    assert "MARKED" not in refused.value.refusal.model_dump_json()
    assert "MARKED" not in capfd.readouterr().err


def test_what_looks_like_a_token_is_redacted(capfd: pytest.CaptureFixture[str]) -> None:
    log("event", said="Bearer abc hf_MARKED\n\x1b[31m")
    line = capfd.readouterr().err
    assert "MARKED" not in line
    assert "\x1b" not in line
    assert json.loads(line)["said"].startswith("Bearer [token]")
    assert redact("half_time") == "half_time"


def test_who_signs_out_is_forgotten() -> None:
    sessions = Sessions()
    sessions.sign_in("browser", "me", "hf_x")
    assert sessions.find("browser").name == "me"
    sessions.sign_out("browser")
    assert not sessions.find("browser").signed_in
    assert sessions.find("browser") == sessions.find("browser") != sessions.find("other")
