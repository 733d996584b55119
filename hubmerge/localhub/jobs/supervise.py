"""Runs one command, and ends it and its processes when it is late or its caller is gone.

A program of its own, which imports nothing of the package, so that it is there at once. Standard
input holds a line of JSON: command, cwd, environment, seconds. It ends with the process
that holds the other side: a server that is killed closes it too.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

LATE = 124
"""Exit code of a command that was ended because it took too long, as of `timeout`."""


def main() -> int:
    """Exit code of the command; after a signal 128 and its number, as shells have it."""
    asked = json.loads(sys.stdin.buffer.readline())
    process = subprocess.Popen(
        asked["command"],
        cwd=asked["cwd"],
        env=asked["environment"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )

    def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def watch() -> None:
        os.read(sys.stdin.fileno(), 1)
        end()

    threading.Thread(target=watch, daemon=True).start()
    try:
        code = process.wait(asked["seconds"])
    except subprocess.TimeoutExpired:
        end()
        process.wait()
        return LATE
    end()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
