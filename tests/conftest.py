"""What holds for every test."""

import gc
import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# Tiny models run fastest, and the same everywhere, on one thread; set before torch is imported,
# and so in every process that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

# Tests leave nothing in the user's own data and cache folders, and find nothing there but the fonts
# that matplotlib has listed.
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))
_kept = tempfile.TemporaryDirectory(prefix="hubmerge-tests-")
for _variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
    os.environ[_variable] = str(Path(_kept.name, _variable))

# The first process is the one whose workers are started with this environment.
os.environ.setdefault("HUBMERGE_TESTS_TRAINED", _kept.name)

# How long an example takes says something about the machine, and nothing about the law.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

pytest.register_assert_rewrite("tests.helpers")

LONGEST = (
    "spaces_app/ui/test_browser.py",
    "spaces_app",
    "cli",
    "docs/test_readme.py",
    "demo",
    "localhub",
)
"""What takes longest, below tests/: begun first, so that two workers end at the same time. A folder
is not left before it is done, for what its fixtures share is made once per stay."""


class FoldersTogether(LoadScopeScheduling):
    """Hands out files to workers, and folders whose files share what takes long to make: a Hub with
    trained parents, processes that have imported everything. The command line's is two, since
    alone it would take longer than all else."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/cli/"):
            return "tests/cli, to l" if nodeid < "tests/cli/test_m" else "tests/cli, from m"
        if nodeid.startswith("tests/spaces_app/"):
            return "tests/spaces_app"
        return nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return FoldersTogether(config, log)


def _import_own_share(asked: list[Path]) -> None:
    """A worker's part of the test modules, whose assertions pytest rewrites when they are imported
    first: of a fresh clone each worker would otherwise rewrite all of them at the same time."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if not worker:
        return
    root = Path(__file__).parents[1]
    files = sorted(file for place in asked for file in [place, *place.rglob("test_*.py")])
    for file in files[int(worker) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
        if file.suffix == ".py" and file.is_relative_to(root):
            # What cannot be imported is reported when it is collected.
            with suppress(Exception, pytest.skip.Exception):
                name = ".".join(file.relative_to(root).with_suffix("").parts)
                importlib.import_module(name)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """What is imported and collected stays: the collector of garbage never has to look at it."""
    gc.disable()
    _import_own_share([Path(each.partition("::")[0]).resolve() for each in session.config.args])
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(
            20_000, 20, 50
        )  # models and their traces are many objects, few of them lost
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    from tests.helpers.crossed import mark_off_the_diagonal  # once asserts of helpers are rewritten

    mark_off_the_diagonal(items)

    def place(item: pytest.Item) -> int:
        among = (n for n, long in enumerate(LONGEST) if item.nodeid.startswith(f"tests/{long}"))
        return next(among, len(LONGEST))

    items.sort(key=place)
