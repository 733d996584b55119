"""Publishing as a page tells it: refused, accepted, proposed, and what parents do not allow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from hubmerge.errors.wording import add, leave_out, option, render
from hubmerge.hub.compare import JOINED
from hubmerge.localhub import EmbeddedHub
from hubmerge.reporting.schema.report import Report
from spaces_app.server import RunningApp
from spaces_app.service.job import Refused, State
from spaces_app.service.jobs import JobService
from spaces_app.service.visitors import Visitor
from spaces_app.ui import plan_view, publish_view
from spaces_app.ui.wording import LABELS, PAGE
from tests.helpers import zoo
from tests.helpers.browser import PageVisitor
from tests.helpers.jobs import ended, quick

TERMINAL = re.compile(r"--\w|`hf |HF_TOKEN|command")


@pytest.fixture(scope="module")
def office(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobService]:
    jobs = JobService(tmp_path_factory.mktemp("office"))
    yield jobs
    jobs.close()


@pytest.fixture(scope="module")
def merged(office: JobService, me: Visitor) -> str:
    job = office.submit(me, quick())
    assert ended(office, me, job.id).job.state is State.DONE
    return job.id


@pytest.fixture
def taken(hub: EmbeddedHub, folders: dict[str, Path], request: pytest.FixtureRequest) -> str:
    """A public repository that holds something else."""
    name = request.node.name.replace("test_", "").replace("_", "-")[:60]
    return zoo.push(hub, f"me/{name}", folders["me/mlp-a"])


def message_of(act: Callable[[], object]) -> str:
    """What the page says when it is refused, and never in the words of a terminal."""
    with pytest.raises(Refused) as refused:
        act()
    said = str(publish_view.unpublished(refused.value.refusal))
    assert not TERMINAL.search(said), said
    return said


def to(repo: str, **changes: Any) -> dict[str, Any]:
    return {"push": repo, "private": False, "create_pr": False, "exist_ok": False, **changes}


def head(hub: EmbeddedHub, repo: str, revision: str = "main") -> str:
    return str(hub.api().model_info(repo, revision=revision).sha)


def test_an_existing_repository_is_left_alone_until_asked_for(
    office: JobService, hub: EmbeddedHub, me: Visitor, merged: str, taken: str
) -> None:
    before = head(hub, taken)
    said = message_of(lambda: office.publish(me, merged, to(taken)))
    assert "Nothing was published" in said
    assert "exists already" in said
    assert head(hub, taken) == before
    done = office.publish(me, merged, to(taken, exist_ok=True))
    assert done["changed"]
    assert head(hub, taken) == done["commit"] != before


def test_a_pull_request_is_opened_once(
    office: JobService, hub: EmbeddedHub, guest: Visitor, merged: str, taken: str
) -> None:
    before = head(hub, taken)
    done = office.publish(guest, merged, to(taken, create_pr=True))
    assert "A pull request is open" in publish_view.published(done)
    assert done["pr_url"] in publish_view.published(done)
    assert head(hub, taken) == before
    assert head(hub, taken, "refs/pr/1") == done["commit"]
    again = office.publish(guest, merged, to(taken, create_pr=True))
    assert again["pr_url"] == done["pr_url"]
    assert "nothing was uploaded" in publish_view.published(again)


def test_what_cannot_be_published_is_said_in_the_words_of_the_page(
    office: JobService, hub: EmbeddedHub, guest: Visitor, me: Visitor, merged: str, taken: str
) -> None:
    before = head(hub, taken)
    assert "is public" in message_of(lambda: office.publish(me, merged, to(taken, private=True)))
    nowhere = message_of(lambda: office.publish(me, merged, to("me/nowhere", create_pr=True)))
    assert "“a new repository”" in nowhere
    assert not hub.api().repo_exists("me/nowhere")
    theirs = message_of(lambda: office.publish(guest, merged, to("me/not-the-guests")))
    assert "guest/not-the-guests" in theirs
    message_of(lambda: office.publish(guest, merged, to(taken, exist_ok=True)))
    assert head(hub, taken) == before


def test_a_gated_parent_is_explained_and_respected(
    office: JobService,
    hub: EmbeddedHub,
    folders: dict[str, Path],
    guest: Visitor,
    anonymous: Visitor,
) -> None:
    gated = zoo.push(hub, "guest/gated", folders["me/mlp-a"])
    hub.api().update_repo_settings(gated, gated="manual")
    recipe = quick(models=(gated, "me/mlp-b"))
    said = message_of(lambda: office.plan(anonymous, recipe))
    assert "gated: its owners decide who may download it" in said
    assert "ask for access" in said
    planned = office.plan(guest, recipe)
    shown = plan_view.render(planned, recipe)
    assert "gated" in shown
    assert "Published privately by default" in shown
    job = office.submit(guest, recipe)
    assert ended(office, guest, job.id).job.state is State.DONE
    report = Report.read(office.result(guest, job.id))
    assert report.licence.private_by_default
    assert "Private by default" in publish_view.terms(report)
    message_of(lambda: office.result(anonymous, job.id))


def test_a_private_model_is_reported_without_a_terminal(
    office: JobService, anonymous: Visitor
) -> None:
    recipe = quick(models=("guest/secret-a", "me/mlp-b"))
    assert "sign in on this page" in message_of(lambda: office.plan(anonymous, recipe))


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (
            f"{option('match', 'weights')}, or {option('multi_match', 'star')}",
            "Matching “weights”, or `multi_match: star` in a recipe",
        ),
        (
            f"{add('dataset')}, or {option('fuse', 'average')}",
            "fill in “Data set”, or Fusion “average”",
        ),
        (
            leave_out("base", "heads"),
            "leave “Common base” empty and choose Different label sets “refused”",
        ),
        (option("samples", "all"), "`samples: all` in a recipe"),
        ("OWNER/NAME", "OWNER/NAME"),
        (
            JOINED,
            f"{LABELS['heads']} “one output for every label” makes one head over the labels of all",
        ),
    ],
)
def test_options_become_controls(hint: str, said: str) -> None:
    assert render(hint, PAGE) == said


def test_a_name_typed_right_after_signing_in_is_kept(
    visit: Callable[..., PageVisitor], app: RunningApp, hub: EmbeddedHub, me: Visitor
) -> None:
    """The name that is suggested to whoever signed in comes while they type."""
    job = app.context.jobs.submit(me, quick()).id
    assert ended(app.context.jobs, me, job).job.refusal is None
    visitor = visit(f"/?job={job}")
    visitor.see("#verdict .hm-verdict")
    visitor.fold("Publish it")
    name = visitor.page.locator("#repo textarea, #repo input")
    expect(name).to_have_value(re.compile("OWNER/"))
    visitor.sign_in()
    name.click()
    name.press("Control+a")
    name.press_sequentially("me/typed-by-hand-letter-by-letter", delay=40)
    visitor.page.locator("#private").get_by_label("public").check()
    visitor.settles()
    visitor.page.locator("#preview").click()
    visitor.see("#previewed table", "model.safetensors")
    visitor.see("#go:not([disabled])")
    expect(name).to_have_value("me/typed-by-hand-letter-by-letter")
    expect(visitor.page.locator("#private").get_by_label("public")).to_be_checked()
