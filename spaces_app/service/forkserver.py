"""The process that all workers are forked from, and where it listens."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from functools import cache
from multiprocessing import util
from multiprocessing.context import ForkServerContext
from pathlib import Path

from hubmerge.errors import ResourceError
from spaces_app.service.worker_main import PRELOAD

LONGEST = 103
"""Bytes that a path of a socket may have, on the strictest of systems."""
BELOW = len("/pymp-12345678/listener-12345678")
"""What multiprocessing puts below the folder for temporary files."""
ELSEWHERE = ("/tmp", "/var/tmp")


@cache
def nursery() -> ForkServerContext:
    """Where worker processes come from. Raises: ResourceError, if it has no place to listen."""
    _make_place()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["__main__", *PRELOAD, "spaces_app.service.worker_main", "spaces_app.service.actions"]
    )
    return context


def warm_up() -> None:
    """Start the process that all workers are forked from; the first one need not wait then."""
    process = nursery().Process(target=os.getpid, daemon=True)
    process.start()
    process.join()


def short_enough(folder: str) -> bool:
    """Whether sockets can lie below `folder`."""
    return len(os.fsencode(folder)) + BELOW <= LONGEST


def _make_place() -> None:
    """Has multiprocessing make its folder now, below one whose name is not too long."""
    usual = tempfile.gettempdir()
    for folder in (usual, *ELSEWHERE):
        if short_enough(folder) and Path(folder).is_dir() and os.access(folder, os.W_OK):
            tempfile.tempdir = folder
            try:
                util.get_temp_dir()
            finally:
                tempfile.tempdir = usual
            return
    raise ResourceError(
        "worker processes are spoken to through sockets, whose paths may not be long",
        found=f"TMPDIR is {usual}",
        hint=f"TMPDIR=a folder whose path has at most {LONGEST - BELOW} bytes",
    )
