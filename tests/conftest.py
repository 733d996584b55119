"""What holds for every test."""

import os
import tempfile

import pytest
from hypothesis import HealthCheck, settings

# Tiny models run fastest, and the same everywhere, on one thread; set before torch is imported,
# and so in every process that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

# What is derived in tests is derived anew, and not kept for whoever runs them.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="hubmerge-tests-")

# How long an example takes says something about the machine, and nothing about the law.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

pytest.register_assert_rewrite("tests.helpers")

LONGEST = (
    "spaces_app/ui/test_browser.py",
    "spaces_app",
    "cli",
    "docs/test_readme.py",
    "conformance/test_processes.py",
    "demo",
    "localhub",
)
"""What takes longest, below tests/: begun first, so that two workers end at the same time. A folder
is not left before it is done, for what its fixtures share is made once per stay."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(config.rootpath / "tests")
        among = (n for n, long in enumerate(LONGEST) if path.is_relative_to(long))
        return next(among, len(LONGEST))

    items.sort(key=place)
