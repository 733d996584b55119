"""What a job leaves that ends badly: killed for lack of memory, or with a token that is gone."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from hubmerge.cli import job
from hubmerge.errors import AccessError, ResourceError
from hubmerge.jobs.home import Wheel, outcome_of, send
from hubmerge.jobs.order import ORDER, Order
from hubmerge.jobs.outcome import error_of
from hubmerge.localhub import EmbeddedHub, embedded_hub

WHEEL = Wheel("hubmerge-0.1.0-py3-none-any.whl", b"wheel", hashlib.sha256(b"wheel").hexdigest())
KILLED = "import os, signal; print('half', flush=True); os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHub]:
    with embedded_hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture
def ordered(hub: EmbeddedHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an order, which a module beside it carries out."""
    order = Order(
        command="verify", hubmerge="0.1.0", wheel=WHEEL.sha256, home="me/hubmerge-jobs", merge="x"
    )
    send(order, None, WHEEL)
    folder = tmp_path / "home" / order.place
    (tmp_path / "home" / WHEEL.path).parent.mkdir(parents=True)
    (tmp_path / "home" / WHEEL.path).write_bytes(WHEEL.content)
    folder.mkdir(parents=True)
    (folder / ORDER).write_text(order.model_dump_json())
    (tmp_path / "stands_for_hubmerge.py").write_text(KILLED)
    monkeypatch.setattr(job, "ORDERED", "stands_for_hubmerge")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    handled = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield folder
    for number, handler in handled.items():
        signal.signal(number, handler)


def test_a_command_that_is_killed_for_lack_of_memory_leaves_an_outcome(ordered: Path) -> None:
    with pytest.raises(typer.Exit) as ended:
        job.command(ordered)
    assert ended.value.exit_code == 137
    outcome = outcome_of(Order.model_validate_json((ordered / ORDER).read_text()))
    assert outcome is not None
    assert outcome.printed == "half\n"
    error = error_of(outcome, "https://hub/jobs/me/1", ["half"])
    assert isinstance(error, ResourceError)
    assert error.field == "on"
    assert "a larger flavour" in str(error.hint)
    assert "the same command finds the result, or makes it" in str(error.hint)


def test_a_job_whose_token_is_revoked_says_that_nothing_can_be_left(
    hub: EmbeddedHub, ordered: Path
) -> None:
    before = hub.users.path.read_text()
    users = json.loads(before)
    users["me"]["token"] = "hf_" + "0" * 32
    hub.users.path.write_text(json.dumps(users))
    try:
        with pytest.raises(AccessError, match="exit code 137") as refused:
            job.command(ordered)
    finally:
        hub.users.path.write_text(before)
    assert "cannot be left in me/hubmerge-jobs" in str(refused.value)
    assert "lasts longer than the job" in str(refused.value.hint)
