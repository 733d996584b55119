"""Whatever a visitor sends is answered or refused in words, and soon."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hubmerge.errors import HubmergeError, NotFoundError
from spaces_app.service.gallery import gallery_entry
from spaces_app.service.job import Refused, refusing
from spaces_app.service.jobs import JobService
from spaces_app.service.limits import Limits, check_recipe
from spaces_app.ui import gallery_view
from spaces_app.ui.recipe_text import from_yaml
from spaces_app.ui.request_limits import FORM, RequestLimits, remove_remains
from spaces_app.ui.strict_page import StrictPage, told

PARENTS = "models: [a/b, c/d]\n"


@pytest.mark.parametrize(
    "recipe",
    [
        "\ud800",
        'models: ["\\ud800/a", b/c]',
        "[" * 5000,
        "a: &a [x]\nb: *a",
        PARENTS + "samples: 0x" + "f" * 9000,
        PARENTS + "seed: 0x" + "f" * 9000,
        PARENTS + "seed: " + "9" * 6000,
        PARENTS + "samples: " + ":".join(["59"] * 3000),
        PARENTS + "lambda: .nan",
        PARENTS + "lambda: 1e999",
        PARENTS + "weights: [" + "1, " * 9000 + "1]",
        PARENTS + "dataset: {id: a/b, split: {}}",
        PARENTS + "dataset: /etc",
        PARENTS + "base: /etc/passwd",
        PARENTS + "match: '\x1b[31m'",
        PARENTS + "trust_remote_code: true",
        PARENTS + "alignment: /etc/passwd",
        'models: !!int ""',
        "models: !!bool maybe",
        "models: !!timestamp never",
        "? [a]\n: 1",
        "models: [../../etc/passwd, /etc/passwd]",
        "models: [~/a, ./b]",
        "models: [a/b+/etc/passwd, c/d]",
        "models: ['a/b[0:2]', c/d]",
        PARENTS + "base: a/b+../c",
        PARENTS + "fuse: karcher\nfuse_options: {max_iter: 1000000000.0}",
        PARENTS + "fuse: karcher\nfuse_options: {max_iter: '1e9'}",
        PARENTS + "fuse: karcher\nfuse_options: {max_iter: [10, 1000000000]}",
        PARENTS + "dataset: c/d\ntrials: {match: [weights], fuse: [average], refine: distill, "
        "refine_steps: 1000000000}",
        PARENTS + "path: full\npath_points: 1000000000",
        "models: [" + "a/b, " * 2000 + "c/d]",
        "models: 5",
        "null",
        "",
    ],
    ids=lambda recipe: ascii(recipe[-24:]),
)
def test_a_hostile_recipe_is_refused_in_words(recipe: str) -> None:
    with pytest.raises(HubmergeError) as refused:
        check_recipe(from_yaml(recipe), Limits())
    json.dumps(str(refused.value))
    assert len(str(refused.value)) < 5000


@pytest.mark.parametrize("job", ["\ud800", "a" * 100_000, "../..", "\x00", None, 5, ["a"], {}])
def test_no_job_has_a_strange_id(jobs: JobService, anonymous: Any, job: Any) -> None:
    for ask in (jobs.status, jobs.result, jobs.stop, jobs.archive):
        with pytest.raises(Refused, match="no such merge"):
            ask(anonymous, job)


@pytest.mark.parametrize(
    "said",
    [
        {"id": "\ud800/a", "cardData": {"verdict": "\ud800", "base_model": ["\ud800/x", "a/b"]}},
        {"id": None},
        {"id": 5, "cardData": {"base_model": ["a"] * 10**5, "datasets": [{}]}},
        {"id": "a/b", "lastModified": ["\ud800"], "cardData": {"model-index": [{"results": 5}]}},
        {"id": "a/b", "cardData": "x"},
        {
            "id": "a/b",
            "cardData": {
                "model-index": [
                    {
                        "results": [
                            {
                                "metrics": [{"type": [], "value": 10**400}, {"type": "accuracy"}],
                                "dataset": {"args": {"rows": 10**400}},
                            }
                        ]
                    }
                ]
            },
        },
    ],
    ids=range(6),
)
def test_a_card_breaks_no_gallery(said: dict) -> None:
    honest = gallery_entry({"id": "me/both", "cardData": {"base_model": ["me/a", "me/b"]}})
    shown = gallery_view.render([gallery_entry(said), honest])
    assert "me/both" in shown.encode().decode()


def test_long_requests_are_refused_before_they_are_read() -> None:
    async def length(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    app = RequestLimits(Starlette(routes=[Route("/", length, methods=["POST"])]), image=1000)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"a" * 2**16

    async def ask() -> list[tuple[int, str]]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            answers = [
                await client.post("/", content=b"a" * (FORM + 1000)),
                await client.post("/", content=b"a" * (FORM + 1001)),
                await client.post("/", content=endless()),
                await client.post("/?" + "a" * 40_000),
            ]
        return [(answer.status_code, answer.text) for answer in answers]

    assert [status for status, _ in asyncio.run(ask())] == [200, 413, 413, 414]


def test_calls_of_what_there_is_not_are_no_failures_of_the_app() -> None:
    def known(text: str) -> str:
        return text

    with gr.Blocks() as page:
        gr.api(known)
    limits = {"middleware": [Middleware(RequestLimits, image=1000)]}
    app = gr.routes.App.create_app(page, app_kwargs=limits)
    calls: list[tuple[str, dict]] = [
        ("call/unknown", {"data": ["x"]}),
        ("run/unknown", {"data": ["x"]}),
        ("run/predict", {"data": ["x"], "fn_index": 99_999}),
        ("run/predict", {"data": ["x"], "fn_index": -1}),
        ("queue/join", {"data": ["x"], "fn_index": 99_999, "session_hash": "s"}),
    ]

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return [
                (await client.post(f"/gradio_api/{where}", json=body)).status_code
                for where, body in calls
            ]

    assert asyncio.run(ask()) == [404] * len(calls)


def no_such_merge(value: str) -> str:
    with refusing():
        raise NotFoundError("There is no such merge")


def picked(event: gr.EventData) -> str:
    return str(told(event, "pick"))


@pytest.fixture(scope="module")
def strict() -> Any:
    """A page with widgets of every kind, and functions that work, are none, or fail."""
    with StrictPage() as page:
        widgets = [gr.Radio(["one", "two"]), gr.Slider(1, 10), gr.Image(), gr.Textbox()]
        button, text = gr.Button(), gr.Textbox()
        button.click(lambda *values: "fine", widgets, text, api_name="all")
        button.click(None, text, text, js="x => x", api_name="no_python")
        button.click(lambda value: 1 / 0, text, text, api_name="broken")
        button.click(no_such_merge, text, text, api_name="refused")
        button.click(picked, None, text, api_name="picked")
    limits = {"middleware": [Middleware(RequestLimits, image=1000)]}
    return gr.routes.App.create_app(page, app_kwargs=limits)


PICTURE = {"meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    ("call", "values", "said"),
    [
        ("all", ["three", 5, None, "x"], "not in the list of choices"),
        ("all", [["one"], 5, None, "x"], "not in the list of choices"),
        ("all", ["one", "evil", None, "x"], "not supported between"),
        ("all", ["one", {}, None, "x"], "not supported between"),
        ("all", ["one", 5000, None, "x"], "maximum value"),
        ("all", ["one", 5, {"path": "https://a.example/huge", **PICTURE}, "x"], "an address"),
        ("all", ["one", 5, None, [{"path": "HTTP://a.example/huge", **PICTURE}]], "an address"),
        ("all", ["one", 5, "evil", "x"], "validation error"),
        ("all", [], "enough input values"),
        ("all", ["one", 5, None], "enough input values"),
        ("no_python", ["x"], "no such function"),
        ("refused", ["x"], "There is no such merge"),
        ("picked", [], "has to be told what was clicked"),
    ],
)
def test_values_that_no_widget_gives_are_refused_in_words_and_logged_in_a_line(
    strict: Any, call: str, values: list, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    status, answer = asked(strict, call, data=values)
    assert (status, said in answer["error"]) == (422, True), answer
    [line] = capfd.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "call_refused"


def test_a_failure_of_the_apps_own_is_one_line_as_well(
    strict: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    status, answer = asked(strict, "broken", data=["x"])
    assert (status, "please report it" in answer["error"]) == (500, True)
    [line] = capfd.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["event"], said["error"]) == ("call_broken", "ZeroDivisionError")
    assert "Traceback" in said["trace"]


def test_an_event_that_says_something_else_is_refused_in_words(strict: Any) -> None:
    status, answer = asked(strict, "picked", data=[], event_data={"other": 1})
    assert (status, "does not say 'pick'" in answer["error"]) == (422, True), answer
    status, answer = asked(strict, "picked", data=[], event_data={"pick": "a/b"})
    assert (status, answer["data"]) == (200, ["a/b"])


def asked(app: Any, call: str, **body: Any) -> tuple[int, dict]:
    """Status and answer of a call of a page's function."""

    async def ask() -> tuple[int, dict]:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            answer = await client.post(f"/gradio_api/run/{call}", json=body)
        return answer.status_code, answer.json()

    return asyncio.run(ask())


def test_remains_of_broken_uploads_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a client that hung up; Gradio forgets the file it was writing."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    broken, running, kept = tmp_path / "tmpold", tmp_path / "tmpnew", tmp_path / "a" / "tmpkept"
    kept.parent.mkdir()
    for path in (broken, running, kept):
        path.write_bytes(b"a")
    for path in (broken, kept):
        os.utime(path, (0, 0))
    remove_remains()
    assert (broken.exists(), running.exists(), kept.exists()) == (False, True, True)


def test_uploads_leave_room_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stored(request: Request) -> Response:
        return PlainTextResponse("stored")

    route = Route("/gradio_api/upload", stored, methods=["POST"])
    app = RequestLimits(Starlette(routes=[route]), image=1000)

    async def ask() -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return (await client.post("/gradio_api/upload", content=b"a")).status_code

    assert asyncio.run(ask()) == 200
    monkeypatch.setattr("spaces_app.ui.request_limits.FREE", 2**60)
    assert asyncio.run(ask()) == 507
