"""The process from which all workers are forked, and the folder of its sockets."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from functools import cache
from multiprocessing import util
from multiprocessing.context import ForkServerContext
from pathlib import Path

from hubmerge.errors import ResourceError

PRELOAD = (
    "spaces_app.service.preload",
    "spaces_app.service.worker_main",
    "spaces_app.service.actions",
)
"""Modules that the fork server imports; the first imports what jobs use when it is imported."""
MAX_SOCKET_PATH = 103
"""Bytes of a socket's path on the strictest system."""
SUFFIX_LENGTH = len("/pymp-12345678/listener-12345678")
"""Length of what multiprocessing appends to the temporary folder."""
FALLBACK_FOLDERS = ("/tmp", "/var/tmp")


@cache
def forkserver() -> ForkServerContext:
    """The context that forks workers. Raises: ResourceError, if no folder takes its sockets."""
    _make_socket_folder()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", *PRELOAD])
    return context


def start_forkserver() -> None:
    """Start the fork server ahead of the first worker."""
    process = forkserver().Process(target=os.getpid, daemon=True)
    process.start()
    process.join()


def fits_socket_path(folder: str) -> bool:
    """Whether the path of a socket below `folder` is short enough."""
    return len(os.fsencode(folder)) + SUFFIX_LENGTH <= MAX_SOCKET_PATH


def _make_socket_folder() -> None:
    """Have multiprocessing make its folder below one with a short path."""
    default = tempfile.gettempdir()
    for folder in (default, *FALLBACK_FOLDERS):
        if fits_socket_path(folder) and Path(folder).is_dir() and os.access(folder, os.W_OK):
            tempfile.tempdir = folder
            try:
                util.get_temp_dir()
            finally:
                tempfile.tempdir = default
            return
    raise ResourceError(
        "the path of the temporary folder is too long for the sockets of worker processes",
        found=f"TMPDIR is {default}",
        hint=f"TMPDIR=a folder whose path has at most {MAX_SOCKET_PATH - SUFFIX_LENGTH} bytes",
    )
