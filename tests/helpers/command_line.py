"""`hubmerge ...` as a user runs it, for tests that run it often."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hubmerge.errors import HubmergeError
from tests.helpers.pages import ROOT
from tests.helpers.warm import CANNOT_MOUNT

WARM = [sys.executable, "-m", "tests.helpers.warm"]


@dataclass(frozen=True)
class Mount:
    """A disk only the command sees."""

    at: Path
    source: str = "tmpfs"
    kind: str = "tmpfs"
    options: str = ""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    arguments: list[str]
    code: int
    """Of the first process, which speaks for all."""
    out: str
    err: str
    codes: tuple[int, ...]
    """Of all of them."""

    def __post_init__(self) -> None:
        assert "Traceback (most recent call last)" not in self.err, self.err

    @property
    def json(self) -> Any:
        """What it printed."""
        return json.loads(self.out)

    def succeeded(self) -> Done:
        """Itself; fails the test if the command did."""
        assert self.code == 0, f"{' '.join(self.arguments)}\n{self.code}: {self.err}\n{self.out}"
        return self

    def refused(self, kind: type[HubmergeError], *quoted: str) -> Done:
        """Itself; fails the test unless it ended with the code and name of `kind`, quoting."""
        said = f"{' '.join(self.arguments)}\n{self.code}: {self.err}\n{self.out}"
        assert self.code == kind.exit_code, said
        assert self.err.strip().splitlines()[-1:] or said, said
        assert f"{kind.__name__}: " in self.err, said
        for text in quoted:
            assert text in self.err, f"{text!r} is not in\n{said}"
        return self


@dataclass
class Running:
    """A command under way."""

    pids: list[int]
    line: CommandLine
    arguments: list[str]
    streams: dict[str, Path]

    def kill(self, number: signal.Signals) -> None:
        """Sends a signal to every process that has not ended; `wait` tells how each did."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait(self) -> Done:
        """Until it ends."""
        codes = self.line.answer()["codes"]
        if codes[0] == CANNOT_MOUNT:
            pytest.skip("this machine does not let a test mount a disk of its own")
        out, err = (self.streams[name].read_text() for name in ("stdout", "stderr"))
        return Done(self.arguments, codes[0], out, err, tuple(codes))


@dataclass
class CommandLine:
    """Runs commands one after the other, from one warm process; see `warm.py`."""

    environment: dict[str, str]
    cwd: Path
    _process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self._process = subprocess.Popen(
            WARM,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.answer() == {"ready": True}

    def __call__(self, *arguments: object, **options: Any) -> Done:
        """Runs a command to its end; see `start`."""
        return self.start(*arguments, **options).wait()

    def start(
        self,
        *arguments: object,
        cwd: Path | None = None,
        token: str | None = None,
        env: dict[str, str] | None = None,
        mounts: tuple[Mount, ...] = (),
        patience: tuple[float, ...] | None = (),
        code: str | None = None,
        processes: int = 1,
    ) -> Running:
        """Starts a command. patience: seconds between tries; None is as a user has it.

        code: a Python program to run instead. processes: how many do the work together.
        """
        folder = Path(tempfile.mkdtemp(dir=self.cwd))
        streams = {name: folder / name for name in ("stdin", "stdout", "stderr")}
        words = [*map(str, arguments), *quickly(*map(str, arguments))]
        request = {
            "arguments": words,
            "cwd": str(cwd or self.cwd),
            "env": (env or {}) | ({} if token is None else {"HF_TOKEN": token}),
            "mounts": [
                {"at": str(m.at), "source": m.source, "kind": m.kind, "options": m.options}
                for m in mounts
            ],
            "patience": patience,
            "code": code,
            "ranks": _ranks(processes),
            **{name: str(path) for name, path in streams.items()},
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Running(self.answer()["pids"], self, words, streams)

    def answer(self) -> dict[str, Any]:
        """The next line of the warm process."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the warm process has died"
        return json.loads(line)

    def close(self) -> None:
        """Ends the warm process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)


def quickly(*words: str) -> list[str]:
    """The effort of merges in tests that name none: they look at other things."""
    merges = words[:1] in (("merge",), ("plan",))
    return ["--effort", "quick"] if merges and not {"--effort", "--recipe"} & {*words} else []


def _ranks(processes: int) -> list[dict[str, str]]:
    """What torchrun tells each of its processes."""
    if processes == 1:
        return [{}]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
