"""What holds for every test."""

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine, and nothing about the law.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

pytest.register_assert_rewrite("tests.helpers")
