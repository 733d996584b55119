"""One Hub with parents and data on it, and one warm command line, for the whole folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from huggingface_hub import constants

from hubmerge.localhub import EmbeddedHub, embedded_hub
from hubmerge.utils.progress import be_quiet
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine
from tests.helpers.merged import Merged
from tests.helpers.refusals import Kit


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHub]:
    """The Hub; tests keep apart by repository names."""
    be_quiet()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        with embedded_hub(tmp_path_factory.mktemp("hub")) as hub:
            yield hub


@pytest.fixture(scope="session")
def hubmerge(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """`hubmerge("merge", a, b, ...)`, signed in as the Hub's owner."""
    place = tmp_path_factory.mktemp("shell")
    line = CommandLine(hub.environment(home=place / "home"), place)
    yield line
    line.close()


@pytest.fixture(scope="session")
def parents(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Family -> folders of its trained parents a and b; on the Hub as me/FAMILY-LETTER."""
    splits, place = zoo.rows(), tmp_path_factory.mktemp("parents")
    zoo.push(hub, "me/digits", zoo.write_data(place / "data", splits), "dataset")
    folders = {f: zoo.train_parents(f, place / f) for f in zoo.FAMILIES}
    for family, parent_letters in folders.items():
        for letter, folder in parent_letters.items():
            zoo.push(hub, f"me/{family}-{letter}", folder)
    return folders


@pytest.fixture(scope="session")
def main_job(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Merged]:
    """Family -> the main job on its parents, done once."""

    @cache
    def do(family: str) -> Merged:
        folder, repo = tmp_path_factory.mktemp("merged") / family, f"me/{family}-merged"
        models = [f"me/{family}-a", f"me/{family}-b"]
        where = ["--push", repo, "-o", folder, "--json"]
        done = hubmerge("merge", *models, "--dataset", "me/digits", *where).succeeded()
        return Merged(family, folder, repo, done)

    return do


@pytest.fixture(scope="session", params=zoo.FAMILIES)
def merged(request: pytest.FixtureRequest, main_job: Callable[[str], Merged]) -> Merged:
    """The main job of every family, looked at by many tests."""
    return main_job(request.param)


@pytest.fixture(scope="session")
def heads(main_job: Callable[[str], Merged]) -> Merged:
    """The main job of the smallest models, for what is the same with every family."""
    return main_job("mlp")


@pytest.fixture(scope="session")
def plain(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Family -> what `hubmerge merge A B -o DIR` wrote, without data: ResNets by default."""

    @cache
    def make(family: str) -> Path:
        folder = tmp_path_factory.mktemp("plain") / family
        how = () if family == "resnet" else zoo.BY_WEIGHTS
        hubmerge("merge", f"me/{family}-a", f"me/{family}-b", *how, "-o", folder).succeeded()
        return folder

    return make


@pytest.fixture
def repo(request: pytest.FixtureRequest) -> str:
    """Id of a repository that does not exist, named after the test."""
    return "me/" + re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:60].strip("-")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder that does not exist."""
    return tmp_path / "out"


@pytest.fixture
def kit(hub: EmbeddedHub, parents: dict[str, dict], repo: str, tmp_path: Path) -> Kit:
    """For rows of the table of bad input."""
    (tmp_path / "place").mkdir()
    return Kit(hub, tmp_path, repo, tmp_path / "place" / "out")
