"""What holds for every test."""

import os

import pytest
from hypothesis import HealthCheck, settings

# Tiny models run fastest, and the same everywhere, on one thread; set before torch is imported,
# and so in every process that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

# How long an example takes says something about the machine, and nothing about the law.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

pytest.register_assert_rewrite("tests.helpers")
