"""hubmerge job: what a job of the Hub runs. It carries out an order and leaves its outcome.

The command itself runs in a process of its own: one that the system ends for lack of memory has an
outcome too.
"""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubmerge.errors import AccessError, VerificationError

if TYPE_CHECKING:
    from hubmerge.jobs.order import Order

NAME = "job"
PRINTED, FAILURE, RESULT = "printed", "failure.json", "result"

ORDERED = "hubmerge.cli.ordered"
"""The module that carries out a command in a process of its own."""


def command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where its order lies.")],
) -> None:
    """Carry out the order in a folder of the data set that jobs are given."""
    from hubmerge.jobs.home import leave
    from hubmerge.jobs.order import MOST, ORDER, read_order
    from hubmerge.jobs.outcome import Failure, Outcome
    from hubmerge.utils.untrusted import read_text

    order = read_order(read_text(folder / ORDER, MOST))
    _check_wheel(order, folder.parents[1])
    with tempfile.TemporaryDirectory(prefix="hubmerge-") as place:
        scratch = Path(place)
        code = _carry_out(words_of(order, folder, scratch / RESULT), scratch)
        failure = scratch / FAILURE
        outcome = Outcome(
            exit_code=code,
            printed=(scratch / PRINTED).read_text("utf-8", "replace"),
            failure=Failure.model_validate_json(failure.read_bytes()) if failure.exists() else None,
        )
        found = scratch / RESULT if order.command == "match" else None
        try:
            leave(order, outcome, found)
        except AccessError as error:
            raise AccessError(
                f"the outcome of this job (exit code {code}) cannot be left in {order.home}",
                found=" ".join(filter(None, [error.message.what, error.message.found])),
                source=error.message.source,
                hint="its token was revoked or has expired: give the same command again with one "
                "that lasts longer than the job",
            ) from error
    raise typer.Exit(code)


def words_of(order: Order, folder: Path, result: Path) -> list[str]:
    """The command line of an order.

    Parameters:
        folder: where the recipe lies.
        result: the folder to write.
    """
    words: list[str] = [order.command]
    if order.command == "verify":
        words += [str(order.merge), "--level", order.level]
        words += ["--weights-only"] * order.weights_only
    else:
        words += ["--recipe", str(folder), "--out", str(result)]
    if order.push is not None:
        words += ["--push", order.push]
        words += ["--revision", order.revision] if order.revision is not None else []
        words += [] if order.private is None else ["--private" if order.private else "--public"]
        words += ["--create-pr"] * order.create_pr + ["--exist-ok"] * order.exist_ok
    words += ["--trust-remote-code"] * order.trust_remote_code
    return words + ["--json"] * order.json_output


def _check_wheel(order: Order, home: Path) -> None:
    """Raises: VerificationError, unless the wheel beside the order is the one that it names.

    What installs a job's dependencies need not check the hash of a file.
    """
    for path in (home / "wheels" / order.wheel).glob("*.whl"):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == order.wheel:
                return
    raise VerificationError(
        "the wheel of this job is not the one that was sent", found=f"sha256 {order.wheel} is named"
    )


def _carry_out(words: list[str], scratch: Path) -> int:
    """Runs a command of hubmerge's, as a shell would say how it ended; its output in a file."""
    start = [sys.executable, "-P", "-m", ORDERED, str(scratch / FAILURE), *words]
    with (scratch / PRINTED).open("wb") as printed, subprocess.Popen(start, stdout=printed) as run:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda n, frame: run.send_signal(n))
        code = run.wait()
    return code if code >= 0 else 128 - code
