"""Compiling happens once per machine, whichever process comes first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOLVE = """
import json
import numpy as np
from hubmerge.assignment import linear_assignment
from hubmerge.assignment.compiled import kernels_for
found = [
    linear_assignment(np.random.default_rng(0).normal(size=(90, 90)).astype(precision))
    for precision in (np.float64, np.float32)
]
compiled = sum(
    sum(kernel.stats.cache_misses.values())
    for precision in ("float32", "float64")
    for kernel in kernels_for(precision)
)
print(json.dumps([compiled, [one.columns.tolist() for one in found]]))
"""


def start(cache: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-c", SOLVE], env=environment, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_of_two_processes_at_once_one_compiles_and_later_ones_need_not(tmp_path):
    together = [start(tmp_path), start(tmp_path)]
    first = [json.loads(process.communicate()[0]) for process in together]
    third = json.loads(start(tmp_path).communicate()[0])
    assert sum(compiled for compiled, _ in first) == 6
    assert third[0] == 0
    assert first[0][1] == first[1][1] == third[1]


FULL = """
import resource
from numba import njit
from hubmerge.assignment.compiled import _compiled
from tests.assignment.test_compiled import twice
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
print(_compiled(twice, "int64(int64)")(21))
"""


def twice(number: int) -> int:
    return number * 2


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path):
    """Files may have no bytes, as on a full disk; output goes to a pipe."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", FULL]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "42", done.stderr


def test_numba_is_imported_when_something_large_is_to_be_assigned():
    script = (
        "import sys, numpy; from hubmerge.assignment import best_columns; "
        "best_columns(numpy.eye(300)); print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "False"
