"""`hubmerge app` as people start it: healthy, signed in to, used, and ended as systems end it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from hubmerge.demo.run import DATASET, parent
from hubmerge.demo.train import PARENT_CONFIGS
from hubmerge.localhub import EmbeddedHub, embedded_hub
from spaces_app.embedded import FAMILIES
from tests.helpers import zoo
from tests.helpers.app_process import an_app, free_port, is_there
from tests.helpers.browser import PageVisitor, a_browser
from tests.helpers.jobs import PATIENCE, until


@pytest.fixture
def filled(hub: EmbeddedHub, folders: dict[str, Path], tmp_path: Path) -> Path:
    """Where an embedded app has been before: its Hub has the pairs already."""
    root = tmp_path / "app"
    with embedded_hub(root / "hub") as hub:
        zoo.push(hub, DATASET, folders["me/digits"], "dataset")
        for course in PARENT_CONFIGS:
            if course.name in FAMILIES:
                for letter in "ab":
                    zoo.push(hub, parent(course, letter), folders[f"me/{course.name}-{letter}"])
    return root


@pytest.mark.slow
def test_beside_a_hub_of_its_own(filled: Path) -> None:
    with an_app(filled, "--embedded") as app, a_browser() as browser:
        visitor = PageVisitor(browser, app.url).arrives()
        visitor.sign_in()
        assert visitor.see("#who").inner_text().split() == ["Signed", "in", "as", "me"]
        visitor.see("#examples", "Two ResNets")
        visitor.pick(*(parent(PARENT_CONFIGS[1], letter) for letter in "ab"), DATASET)
        visitor.see("#plan .hm-good", "can be merged")
        visitor.leaves()
        family = app.family()
        app.process.send_signal(signal.SIGTERM)
        assert app.process.wait(timeout=PATIENCE) == 0
        until(lambda: not any(map(is_there, family)))
    said = app.said.read_text()
    assert f"hubmerge app at {app.url}\nembedded Hub at http://127.0.0.1:" in said
    assert '"event": "closed"' in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_page_that_stays_open_while_the_app_is_killed(hub: EmbeddedHub, tmp_path: Path) -> None:
    port = free_port()
    with a_browser() as browser:
        with an_app(tmp_path / "app", port=port) as app:
            visitor = PageVisitor(browser, app.url).arrives()
            visitor.pick("me/vit-a", "me/vit-b", "me/digits")
            job = visitor.start()
            visitor.see("#progress .hm-now")
            app.process.kill()
            app.process.wait()
        visitor.page.get_by_text("Connection to the server was lost").first.wait_for()
        with an_app(tmp_path / "app", port=port):
            visitor.see("#verdict .hm-verdict")  # the page comes back by itself
            assert job in visitor.page.url
        visitor.leaves()
