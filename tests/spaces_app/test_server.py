"""The app as other programs meet it: its API, its plain addresses, its ends."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client

from hubmerge.errors import RecipeError
from hubmerge.localhub import EmbeddedHub
from spaces_app.host import Host
from spaces_app.server import RunningApp, serving
from spaces_app.service.job import Job
from spaces_app.ui.session_owners import GONE, NO_EVENT
from spaces_app.ui.visitor_cookie import COOKIE
from tests.helpers.app_process import an_app, free_port, is_there
from tests.helpers.jobs import PATIENCE, Workers, quick, until

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def app(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    with serving(Host(tmp_path_factory.mktemp("app"))) as running:
        yield running


def test_health_and_metrics(app: RunningApp) -> None:
    assert httpx.get(f"{app.url}/health").json() == {"healthy": True}
    text = httpx.get(f"{app.url}/metrics").text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r'hubmerge_\w+(\{[\w="+.,]+\})? [\d.e+]+', line) for line in lines)
    assert "hubmerge_queue_length 0.0" in lines


def test_the_same_job_by_api(app: RunningApp) -> None:
    client = Client(app.url, verbose=False)
    offered = client.view_api(return_format="dict")["named_endpoints"]
    assert set(offered) == {"/plan", "/merge", "/status", "/stop"}
    recipe = quick().to_yaml()
    planned = client.predict(recipe, api_name="/plan")
    assert planned["plan"]["both"]["family"] == "mlp_head"
    job = client.predict(recipe, api_name="/merge")["job"]
    until(lambda: client.predict(job, api_name="/status")["state"] in ("done", "failed"))
    done = client.predict(job, api_name="/status")
    assert done["report"]["n"] == 60
    assert httpx.get(f"{app.url}/{done['files']}").status_code == 200
    assert client.predict(job, api_name="/stop")["state"] == "done"
    refused = client.predict("models: [me/mlp-a, me/vit-a]", api_name="/plan")
    assert refused["error"]["kind"] == "MismatchError"
    assert client.predict("nonsense", api_name="/merge")["error"]["kind"] == "RecipeError"
    for call in ("/status", "/stop"):
        assert client.predict("../../x", api_name=call)["error"]["kind"] == "NotFoundError"


def test_a_client_that_hangs_up_leaves_nothing_behind(app: RunningApp, workers: Workers) -> None:
    tasks = app.context.jobs.folders.job("any").parent
    asked = f"{app.url}/gradio_api/call/plan"
    recipe = quick().model_copy(update={"seed": 7}).to_yaml()
    workers.halt_at_once()
    event = httpx.post(asked, json={"data": [recipe]}).json()["event_id"]
    workers.halted()
    assert any(tasks.glob("short-*"))
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{asked}/{event}", timeout=httpx.Timeout(PATIENCE, read=0.05))
    workers.go_on()
    until(lambda: not any(tasks.glob("short-*")))
    planned = Client(app.url, verbose=False).predict(recipe, api_name="/plan")
    assert planned["plan"]["both"]["family"] == "mlp_head"


def test_nothing_is_said_of_a_private_merge_of_another_visitor(app: RunningApp) -> None:
    jobs = app.context.jobs
    hidden = "another/hidden"  # named by nothing public, as the gallery's merges are
    recipe = quick(models=(hidden, "another/too")).to_yaml()
    job = Job(owner="another", recipe=recipe, plan={}, private=True).as_done({})
    jobs.store.put(job)
    folder = jobs.folders.result(job.id)
    folder.mkdir(parents=True)
    for name in ("report.json", "README.md", "hubmerge.yaml", "barrier.png"):
        (folder / name).write_text("secret")
    client = Client(app.url, verbose=False)
    for tool in ("/status", "/stop"):
        assert client.predict(job.id, api_name=tool)["error"]["kind"] == "NotFoundError"
    for name in ("report.json", "README.md", "hubmerge.yaml", "barrier.png", "merge.zip"):
        assert httpx.get(f"{app.url}/jobs/{job.id}/{name}").status_code == 404
    functions = httpx.get(f"{app.url}/config").json()["dependencies"]
    once = {re.sub(r"_\d+$", "", str(each["api_name"])): each for each in functions}
    for function in once.values():
        values = [job.id] + [None] * (len(function["inputs"]) - 1)
        body = {"data": values, "fn_index": function["id"], "session_hash": "s"}
        said = httpx.post(f"{app.url}/gradio_api/run/predict", json=body).text
        assert "secret" not in said
        assert hidden not in said
    assert jobs.store.get(job.id) == job


WRONG = (None, 5, 1.5, True, [], ["a"], {}, {"path": "/etc/passwd"}, "", "\x00", "\ud800")


@pytest.mark.parametrize(
    ("call", "kinds"),
    [
        ("plan", ("RecipeError",)),
        ("merge", ("RecipeError",)),
        ("status", ("NotFoundError",)),
        ("stop", ("NotFoundError",)),
    ],
)
def test_values_of_a_wrong_kind_are_answered_in_words(
    app: RunningApp, call: str, kinds: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    for value in WRONG:
        body = json.dumps({"data": [value]})
        answer = httpx.post(f"{app.url}/gradio_api/run/{call}", content=body, headers=JSON)
        assert answer.status_code == 200, (value, answer.text)
        error = answer.json()["data"][0]["error"]
        assert error["kind"] in kinds, value
        assert error["what"]
    assert "Traceback" not in capfd.readouterr().err


def stream(url: str, cookie: str | None = None) -> httpx.Response:
    """Everything that is said on a stream."""
    cookies = {COOKIE: cookie} if cookie else None
    return httpx.get(url, cookies=cookies, timeout=PATIENCE)


def test_an_answer_is_given_to_who_asked_and_once(
    app: RunningApp, workers: Workers, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = f"{app.url}/gradio_api/call/plan"
    workers.halt_at_once()
    body = {"data": [quick().model_copy(update={"seed": 8}).to_yaml()]}
    event = httpx.post(asked, json=body, cookies={COOKIE: "mine"}).json()["event_id"]
    workers.halted()
    for cookie in ("another", None):
        assert stream(f"{asked}/{event}", cookie).status_code == 404
        of_session = stream(f"{app.url}/gradio_api/queue/data?session_hash={event}", cookie)
        assert json.loads(of_session.text.removeprefix("data: ")) == GONE
    workers.go_on()
    answer = stream(f"{asked}/{event}", "mine")
    assert (answer.status_code, "mlp_head" in answer.text) == (200, True)
    for nothing in (event, "nothing", "0" * 32):
        again = stream(f"{asked}/{nothing}", "mine")
        assert (again.status_code, again.text) == (404, NO_EVENT)
    assert "Traceback" not in capfd.readouterr().err


def test_a_session_is_of_the_browser_that_used_it_first(app: RunningApp) -> None:
    """What Gradio remembers of a session, such as the merges a visitor sees, is theirs alone."""
    body = {"data": ["none"], "session_hash": "of-mine"}
    asked = f"{app.url}/gradio_api/run/status"
    assert httpx.post(asked, json=body, cookies={COOKIE: "mine"}).status_code == 200
    for cookies in ({COOKIE: "another"}, None):
        refused = httpx.post(asked, json=body, cookies=cookies)
        assert (refused.status_code, "another browser's" in refused.text) == (422, True)
        alive = httpx.get(f"{app.url}/gradio_api/heartbeat/of-mine", cookies=cookies)
        assert alive.status_code == 404
    assert httpx.post(asked, json=body, cookies={COOKIE: "mine"}).status_code == 200


def test_too_few_values_are_refused(app: RunningApp) -> None:
    answer = httpx.post(f"{app.url}/gradio_api/run/plan", json={"data": []})
    assert (answer.status_code, "values" in answer.json()["error"]) == (422, True)


def test_a_port_that_is_taken_is_named(app: RunningApp, tmp_path: Path) -> None:
    port = int(app.url.rpartition(":")[2])
    for taken_or_none in (port, 99_999):
        with (
            pytest.raises(RecipeError, match=str(taken_or_none)),
            serving(Host(tmp_path), taken_or_none),
        ):
            pass


@pytest.mark.parametrize(
    "path",
    [
        "jobs/x/merge.zip",
        "jobs/x/model.safetensors",
        "jobs/../jobs.sqlite",
        "jobs/..%2f..%2f/report.json",
        "jobs/%2e%2e/jobs.sqlite",
        "gradio_api/file=/etc/passwd",
    ],
)
def test_nothing_else_is_served(app: RunningApp, path: str) -> None:
    answer = httpx.get(f"{app.url}/{path}")
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text


def test_every_browser_gets_a_name_of_its_own(app: RunningApp) -> None:
    first, second = (httpx.get(app.url).headers["set-cookie"] for _ in range(2))
    assert first != second
    assert "HttpOnly" in first
    assert "SameSite=Lax" in first
    name, _, value = first.partition(";")[0].partition("=")
    assert "set-cookie" not in httpx.get(app.url, cookies={name: value}).headers


@pytest.mark.slow
def test_kill_and_terminate(hub: EmbeddedHub, tmp_path: Path) -> None:
    port = free_port()
    with an_app(tmp_path / "app", port=port) as app:
        client = Client(app.url, verbose=False)
        job = client.predict(quick("vit").to_yaml(), api_name="/merge")["job"]
        until(lambda: client.predict(job, api_name="/status")["state"] == "running")
        family = app.family()
        assert len(family) > 1
        app.process.kill()
        app.process.wait()
        until(lambda: not any(map(is_there, family)))
    with an_app(tmp_path / "app", port=port) as app:
        client = Client(app.url, verbose=False)
        until(lambda: client.predict(job, api_name="/status")["state"] == "done")
        app.process.send_signal(signal.SIGTERM)
        assert app.process.wait(timeout=PATIENCE) == 0
