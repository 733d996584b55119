"""A merge that is too large for the Space: a job of the visitor's, for which jobs are allowed only
where one is wanted.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gradio.oauth
import pytest
from huggingface_hub import constants
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.testclient import TestClient

from hubmerge.localhub import EmbeddedHub, LocalJobs, embedded_hub
from hubmerge.recipe import make_recipe
from spaces_app.host import Host
from spaces_app.server import serving
from spaces_app.service.hub_jobs import FITS, NOT_ALLOWED, SIGN_IN, HubJobs, is_too_large
from spaces_app.service.job import Refusal, Refused
from spaces_app.service.limits import Limits
from spaces_app.service.visitors import anonymous_visitor, hub_visitor
from spaces_app.ui.job_panel import refused_text
from spaces_app.ui.oauth_scopes import ALLOW, sign_in_for_less
from tests.helpers import zoo
from tests.helpers.browser import PageVisitor, a_browser
from tests.helpers.jobs import until

SCOPES = "openid profile contribute-repos write-discussions jobs"


@pytest.fixture
def provider() -> Iterator[str]:
    """A server that says where one signs in, as the Hub does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = {"authorization_endpoint": "https://hub.example/oauth/authorize"}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *said: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_jobs_are_asked_for_by_one_link_and_not_at_sign_in(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"CLIENT_ID": "x", "CLIENT_SECRET": "y", "SCOPES": SCOPES}
    for name, value in said.items():
        monkeypatch.setattr(gradio.oauth, f"OAUTH_{name}", value)
    monkeypatch.setattr(gradio.oauth, "OPENID_PROVIDER_URL", provider)
    monkeypatch.setenv("SPACE_HOST", "me-merging.hf.space")
    (route,) = sign_in_for_less()
    assert SCOPES.removesuffix(" jobs") == gradio.oauth.OAUTH_SCOPES
    app = Starlette(
        routes=[route], middleware=[Middleware(SessionMiddleware, secret_key="a secret of a test")]
    )
    asked = TestClient(app).get(f"{ALLOW}?a=o/a&b=o/b&x=//evil", follow_redirects=False)
    query = parse_qs(urlsplit(asked.headers["location"]).query)
    assert query["scope"] == [SCOPES]
    back = urlsplit(query["redirect_uri"][0])
    assert (back.netloc, back.path) == ("me-merging.hf.space", "/login/callback")
    assert parse_qs(back.query)["_target_url"] == ["/?a=o%2Fa&b=o%2Fb"]
    monkeypatch.setattr(gradio.oauth, "OAUTH_SCOPES", "openid profile")
    assert sign_in_for_less() == []


def test_who_may_not_or_need_not_is_told() -> None:
    too_large = Refusal(kind="ResourceError", what="too large", field="on")

    def planned(visitor: Any, recipe: Any) -> None:
        if recipe.seed:
            raise Refused(too_large)

    jobs = HubJobs(SimpleNamespace(plan=planned), SimpleNamespace(), Limits())  # type: ignore[arg-type]
    small, large = (make_recipe(models=("o/a", "o/b"), seed=seed) for seed in (0, 1))
    signed_in = hub_visitor("me", "hf_x", None, frozenset(SCOPES.split()))
    without = hub_visitor("me", "hf_x", None, frozenset({"openid"}))
    cases = ((anonymous_visitor("x"), large, SIGN_IN), (without, large, NOT_ALLOWED))
    for visitor, recipe, why in (*cases, (signed_in, small, FITS)):
        with pytest.raises(Refused) as refused:
            jobs.plan(visitor, recipe, "me/both")
        assert refused.value.refusal == why
    assert is_too_large(too_large)


def test_the_way_back_from_there_fills_in_what_was_to_be_merged() -> None:
    recipe = make_recipe(models=("o/a", "o/b", "o/c"), dataset="o/d")
    said = str(refused_text(NOT_ALLOWED, recipe))
    assert 'href="login/jobs?a=o%2Fa&amp;b=o%2Fb&amp;more=o%2Fc&amp;data=o%2Fd"' in said
    assert 'href="login/jobs"' in str(refused_text(NOT_ALLOWED, None))
    assert "login" not in str(refused_text(SIGN_IN, recipe))


@pytest.fixture
def jobs_hub(folders: dict[str, Path], tmp_path: Path) -> Iterator[EmbeddedHub]:
    """A Hub that runs jobs, with two small heads: this process's."""
    with (
        pytest.MonkeyPatch.context() as patch,
        embedded_hub(tmp_path / "hub", jobs=LocalJobs()) as hub,
    ):
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        for name, value in hub.environment(home=tmp_path / "home", token="").items():
            if name.startswith(("HF_", "DISABLE_")) or name in ("NO_PROXY", "no_proxy"):
                patch.setenv(name, value)
        patch.delenv("HF_TOKEN")
        for letter in "ab":
            zoo.push(hub, f"me/mlp-{letter}", folders[f"me/mlp-{letter}"])
        yield hub


@pytest.mark.slow
def test_a_large_merge_becomes_a_job_of_the_visitors_own(
    jobs_hub: EmbeddedHub, tmp_path: Path
) -> None:
    host = Host(tmp_path / "app", local_token=lambda: jobs_hub.token)
    small = Limits(parameters=1_000)
    with serving(host, limits=small) as app, a_browser() as browser:
        visitor = PageVisitor(browser, app.url).arrives()
        visitor.be_quick()
        visitor.pick("me/mlp-a", "me/mlp-b")
        visitor.see("#plan .hm-refused", "too large for this Space")
        visitor.see("#hub-job", "Hugging Face Jobs")
        visitor.page.locator("#job-repo :is(input, textarea)").fill("me/by-a-job")
        visitor.page.locator("#job-look").click()
        visitor.see("#job-said .hm-refused", "Sign in first")
        visitor.sign_in()
        visitor.page.locator("#job-repo :is(input, textarea)").fill("me/by-a-job")
        visitor.page.locator("#job-look").click()
        said = visitor.see("#job-said .hm-good", "less than a cent").inner_text()
        assert "me/by-a-job (private)" in said
        assert not jobs_hub.api().repo_exists("me/hubmerge-jobs", repo_type="dataset")
        visitor.photograph("14-job", "#choose")
        visitor.page.locator("#job-go").click()
        visitor.see("#job-said .hm-good", "The job is started")
        until(lambda: jobs_hub.api().repo_exists("me/by-a-job"))
        visitor.leaves()
