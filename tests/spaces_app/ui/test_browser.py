"""The Space as people use it: headless Chromium against the embedded Hub, models trained."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from hubmerge.localhub import EmbeddedHub
from spaces_app.server import RunningApp
from tests.helpers import zoo
from tests.helpers.browser import EXAMPLES, PageVisitor
from tests.helpers.jobs import Workers, begins

SHOWN = """() => {
  const curves = [...document.querySelectorAll('#gallery img')];
  return curves.length > 0 && curves.every((each) => each.complete && each.naturalWidth > 0);
}"""
"""Whether every thumbnail of the gallery has come."""


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "digit.png"
    zoo.rows()["test"][0]["image"].resize((64, 64)).save(path)
    return path


@pytest.mark.parametrize(
    "family", ["mlp", *(pytest.param(name, marks=pytest.mark.slow) for name in ("vit", "resnet"))]
)
def test_the_whole_path(
    visit: Callable[..., PageVisitor],
    hub: EmbeddedHub,
    workers: Workers,
    picture: Path,
    family: str,
) -> None:
    me = visit()

    def photograph(name: str, panel: str | None = None) -> None:
        if family != "mlp":
            me.photograph(name, panel)

    if family != "resnet":
        me.see("#examples", "takes about a minute")
        photograph("1-pick")
        me.pick(f"me/{family}-a", f"me/{family}-b", "me/digits")
    else:
        me.search("#pick-a", "resnet-a", "me/resnet-a")
        me.search("#pick-b", "-b", "me/resnet-b")
        me.search("#pick-data", "dig", "me/digits")
    plan = me.see("#plan .hm-good", "on the same rows of me/digits")
    assert "can be merged" in plan.inner_text()
    assert "Free spaces" not in plan.inner_text()
    assert "apache-2.0" in plan.inner_text()
    photograph(f"2-plan-{family}", "#plan")
    workers.halt(lambda reported: reported["event"] == "Point" and reported["path"] == "matched")
    job = me.start()
    me.see("#progress .hm-now")
    me.see("#progress .hm-curve")
    photograph(f"3-watch-{family}", "#watch")
    workers.go_on()
    verdict = me.see("#verdict .hm-verdict").inner_text()
    me.settles()
    assert re.search(r"Accuracy 0\.\d+ against .* on \d+ test images", verdict)
    assert me.page.locator("#contenders tbody tr").count() >= 5
    assert me.page.locator("#curve svg circle").count() >= 3
    before = me.see("#reading").inner_text()
    me.page.locator("#lambda input[type=number]").fill("0.33")
    me.page.locator("#lambda input[type=number]").press("Tab")
    me.see("#reading", "λ = 0.33")
    assert me.see("#reading").inner_text() != before
    everyone = ["Parent A", "Parent B", "Naive average", "This merge"]
    assert me.page.locator("#samples label").count() == 8
    me.page.locator("#samples label").nth(2).click()
    said = me.see("#samples [data-row='2']", "True label")
    assert said.locator("h4").all_inner_texts() == everyone
    assert not me.page.locator("#samples [data-row='0']").is_visible()
    photograph(f"4-look-{family}", "#look")
    me.fold("Try it on an image")
    me.page.locator("#try-image input[type=file]").set_input_files(picture)
    me.see("#answers .hm-best")
    assert me.page.locator("#answers h4").all_inner_texts() == everyone
    packed = me.context.request.get(f"{me.url}/jobs/{job}/merge.zip")
    assert "model.safetensors" in zipfile.ZipFile(io.BytesIO(packed.body())).namelist()

    repo = f"me/in-the-browser-{family}"
    bad = me.page.locator("#verdict .hm-good").count() == 0
    me.fold("Publish it")
    expect(me.page.locator("#private").get_by_label("private")).to_be_checked(checked=bad)
    named = me.page.locator("#repo textarea, #repo input")
    expect(named).to_have_value(re.compile("OWNER/"))
    me.page.locator("#preview").click()
    me.see("#published", "Sign in to publish")
    expect(me.page.locator("#go")).to_be_disabled()
    me.sign_in()
    expect(named).to_have_value(re.compile("me/"))  # suggested anew, since nothing was typed
    named.fill(repo)
    me.page.locator("#private").get_by_label("public").check()
    me.settles()
    me.page.locator("#preview").click()
    me.see("#previewed table", "model.safetensors")
    me.see("#card", "Merge of me/")
    assert not hub.api().repo_exists(repo)
    photograph(f"5-preview-{family}", "#publish")
    me.page.locator("#go:not([disabled])").click()
    published = me.see("#published .hm-good")
    assert f"{hub.url}/{repo}" in published.inner_text()
    assert "Everyone" in published.inner_text()
    assert published.get_by_role("link", name="Open the repository").get_attribute(
        "href"
    ) == published.get_by_role("button", name="Copy the link").get_attribute("data-copy")
    badge = published.get_by_role("button", name="Copy its badge").get_attribute("data-copy")
    (picture_of_it,) = re.findall(r"\((\S+/badge\.svg)\)", badge or "")
    assert b"<svg" in me.context.request.get(picture_of_it).body()
    photograph(f"6-published-{family}", "#published")
    files = set(hub.api().list_repo_files(repo))
    assert {"model.safetensors", "README.md", "report.json", "hubmerge.yaml"} <= files
    me.page.get_by_role("link", name="Gallery").or_(
        me.page.get_by_role("button", name="Gallery")
    ).first.click()
    me.see("#gallery tbody", repo)
    me.page.wait_for_function(SHOWN)
    photograph("7-gallery")
    me.page.locator("#by-family input").click()
    me.page.get_by_role("option", name=zoo.MODEL_TYPES[family], exact=True).click()
    me.see("#gallery tbody", repo)
    me.page.locator("#by-task input").click()
    me.page.get_by_role("option", name="image-classification").click()
    row = me.page.locator("#gallery tbody tr").filter(has_text=repo)
    row.get_by_role("link", name="merge its parents").click()
    me.see("#plan .hm-good", f"me/{family}-b")
    assert me.page.locator("#pick-data input").input_value() == "me/digits"
    if family != "resnet":
        me.see("#examples .hm-thumb")
        me.page.locator("#examples button").nth([*EXAMPLES].index(family)).click()
        me.see("#verdict .hm-verdict")
        me.page.wait_for_url(re.compile(f"job={job}"))


def test_what_cannot_be_merged_is_said_at_once(visit: Callable[..., PageVisitor]) -> None:
    visitor = visit()
    visitor.pick("me/mlp-a", "me/vit-a")
    refused = visitor.see("#plan .hm-refused").inner_text()
    assert "me/" in refused
    expect(visitor.page.locator("#start")).to_be_disabled()
    visitor.photograph("8-refused", "#plan")
    visitor.pick("me/mlp-a", "me/mlp-x")
    visitor.see("#plan .hm-refused", re.compile("Try: me/mlp-[ab] or .*, if that was meant"))
    visitor.pick("me/mlp-a", "<img src=x onerror=alert(1)>/x")
    visitor.see("#plan .hm-refused", "<img src=x")
    assert not visitor.page.locator("#plan img").count()


def test_stop_in_the_middle(
    visit: Callable[..., PageVisitor], app: RunningApp, workers: Workers
) -> None:
    visitor = visit()
    visitor.pick("me/mlp-a", "me/mlp-b", "me/digits")
    workers.halt(begins("measure"))
    job = visitor.start()
    visitor.see("#progress .hm-now", "Evaluating")
    visitor.page.locator("#stop").click()
    visitor.see("#progress", "its files removed")
    visitor.photograph("9-stopped", "#watch")
    assert not app.context.jobs.folders.result(job).exists()
    assert not visitor.page.locator("#look").is_visible()


def test_a_reload_brings_it_back(
    visit: Callable[..., PageVisitor], hub: EmbeddedHub, workers: Workers
) -> None:
    visitor = visit()
    address = f"{hub.url}/datasets/me/digits"
    visitor.pick("me/mlp-a", f"{hub.url}/me/mlp-b", address)
    workers.halt(begins("measure"))
    visitor.start()
    visitor.see("#progress .hm-now")
    visitor.page.reload()
    visitor.see("#progress", "me/mlp-a and me/mlp-b")
    visitor.fold("1 · me/mlp-a")
    visitor.see("#plan .hm-good", "me/mlp-a")
    assert visitor.page.locator("#pick-b input").input_value() == f"{hub.url}/me/mlp-b"
    workers.go_on()
    visitor.see("#verdict .hm-verdict")


def test_two_visitors_and_a_private_model(
    visit: Callable[..., PageVisitor], hub: EmbeddedHub
) -> None:
    guest, other = visit(), visit()
    guest.be_quick()
    other.be_quick()
    guest.sign_in(hub.add_user("guest"))
    guest.pick("guest/secret-a", "me/mlp-b", "me/digits")
    assert "private" in guest.see("#plan .hm-good").inner_text()
    other.pick("guest/secret-a", "me/mlp-b", "me/digits")
    other.see("#plan .hm-refused", "guest/secret-a")
    job = guest.start()
    other.pick("me/mlp-a", "me/mlp-b", "me/digits")
    other.see("#plan .hm-good")
    own = other.start()
    assert own != job
    guest.see("#verdict .hm-verdict")
    other.see("#verdict .hm-verdict")
    curious = visit(f"/?job={job}")
    curious.see("#progress .hm-refused", "There is no such merge")
    assert "secret" not in curious.page.content()
    for name in ("merge.zip", "report.json", "hubmerge.yaml"):
        assert curious.context.request.get(f"{curious.url}/jobs/{job}/{name}").status == 404
        assert guest.context.request.get(f"{guest.url}/jobs/{job}/{name}").status == 200
    guest.page.reload()
    guest.see("#verdict .hm-verdict")


def test_on_a_phone_in_the_dark_by_keyboard(visit: Callable[..., PageVisitor]) -> None:
    phone = {"width": 390, "height": 844}
    visitor = visit("/?__theme=dark", viewport=phone, is_mobile=True, has_touch=True)
    visitor.pick("me/mlp-a", "me/mlp-b", "me/digits")
    visitor.see("#plan .hm-good")
    visitor.see("#start:not([disabled])")
    reached = set()
    visitor.page.locator("#pick-a input").focus()
    visitor.page.keyboard.press("ArrowDown")
    for _ in range(40):
        visitor.page.keyboard.press("Tab")
        reached.add(visitor.page.evaluate("document.activeElement.closest('[id]')?.id"))
    assert {"pick-b", "start"} <= reached
    visitor.settles()  # the walk left fields, after which a plan is made anew
    visitor.page.locator("#start:not([disabled])").focus()
    visitor.page.keyboard.press("Enter")
    visitor.see("#verdict .hm-verdict")
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert visitor.page.evaluate(fits)
    for step, open_now in (("#choose", "false"), ("#watch", "false"), ("#look", "true")):
        fold = visitor.page.locator(f"{step} > button")
        expect(fold).to_have_attribute("aria-expanded", open_now)
    visitor.page.locator("#choose > button").focus()
    visitor.page.keyboard.press("Enter")
    visitor.see("#choose > button[aria-expanded=true]")
    visitor.page.keyboard.press("Enter")
    visitor.photograph("10-phone")


def test_a_recipe_is_shown_and_can_be_dropped_in(
    visit: Callable[..., PageVisitor], tmp_path: Path
) -> None:
    visitor = visit()
    visitor.pick("me/mlp-a", "me/mlp-b", "me/digits")
    visitor.see("#plan .hm-good")
    visitor.fold("The recipe")
    visitor.see("#recipe", "me/mlp-a")
    visitor.page.get_by_role("tab", name="Command line").click()
    visitor.see("#recipe", "hubmerge merge me/mlp-a me/mlp-b --dataset me/digits")
    visitor.photograph("11-recipe", "#recipe")
    file = tmp_path / "hubmerge.yaml"
    file.write_text("models: [me/resnet-a, me/resnet-b]\nmatch: weights\n")
    visitor.page.locator("#recipe-file input[type=file]").set_input_files(file)
    visitor.see("#plan", "me/resnet-a")
    visitor.see("#recipe", "hubmerge merge me/resnet-a me/resnet-b --match weights")
    visitor.see("#dropped .hm-warn", "Remove the file")
    visitor.page.locator("#recipe-file").get_by_label("Clear").click()
    visitor.see("#recipe", "hubmerge merge me/mlp-a me/mlp-b")
    file.write_text("models: [me/resnet-a, me/resnet-b]\nmatsch: weights\n")
    visitor.page.locator("#recipe-file input[type=file]").set_input_files(file)
    visitor.see("#dropped .hm-refused", "did you mean")
    visitor.see("#plan .hm-good", "me/mlp-a")


def test_the_fold_offers_what_works_with_what_was_picked(visit: Callable[..., PageVisitor]) -> None:
    visitor = visit()
    visitor.pick("me/mlp-a", "me/mlp-b", "me/digits")
    visitor.see("#plan .hm-good")
    visitor.fold("Advanced")
    visitor.fold("The recipe")
    visitor.page.get_by_role("tab", name="Command line").click()
    visitor.page.get_by_label("Seed").fill("7")
    visitor.see("#recipe", "--dataset me/digits --seed 7")
    visitor.settles()
    offered = set(visitor.offered("#fuse"))
    assert {"average", "greedy-soup", "auto"} <= offered
    assert not {"ties", "swa"} & offered
    visitor.search("#pick-base", "mlp", "me/mlp-a")
    visitor.page.keyboard.press("Tab")
    visitor.see("#plan", "Their base")
    visitor.see("#recipe", "--base me/mlp-a")
    visitor.settles()
    offered = set(visitor.offered("#fuse"))
    assert {"ties", "auto"} <= offered
    assert "average" not in offered
    visitor.page.locator("#level").get_by_label("Quick").check()
    visitor.see("#recipe", "--match weights --fuse ties --base me/mlp-a")
    visitor.see("#plan", "because a base is given")
    visitor.page.get_by_label("Rows to measure on").fill("many")
    visitor.page.keyboard.press("Tab")
    visitor.see("#plan .hm-refused", "many")
    visitor.photograph("13-advanced", "#advanced")


def test_three_models_and_the_other_ways_to_publish(
    visit: Callable[..., PageVisitor], hub: EmbeddedHub, third: str, folders: dict[str, Path]
) -> None:
    taken, other = (zoo.push(hub, f"me/taken-{number}", folders["me/mlp-a"]) for number in range(2))
    me = visit()
    me.be_quick()
    me.sign_in()
    me.pick("me/mlp-a", "me/mlp-b", "me/digits")
    me.fold("More than two models")
    me.page.locator("#pick-more textarea").fill(third)
    me.page.locator("#pick-more textarea").blur()
    me.see("#plan .hm-good", "Parent C")
    me.start()
    me.see("#verdict .hm-verdict")
    me.publish(taken, visible="public")
    refused = me.see("#published .hm-refused", "exists already").inner_text()
    assert "Nothing was published" in refused
    assert "another name; or As “a pull request to one that exists”" in refused
    me.photograph("12-taken", "#published")
    me.publish(taken, way="a commit to one of mine")
    me.see("#published .hm-good", "The merge is on the Hub")
    me.publish(taken)
    me.see("#published .hm-good", "nothing was uploaded")
    me.publish(other, way="a pull request")
    me.see("#published .hm-good", "A pull request is open")
    assert len(hub.api().list_repo_commits(taken)) == 3
    assert len(hub.api().list_repo_commits(other)) == 2
