"""A command that a job was ordered to carry out: as any other, but that its failure is kept.

`python -m hubmerge.cli.ordered FILE merge ...`: FILE is where an error of hubmerge's goes, whole.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hubmerge.cli import app, main
from hubmerge.errors import HubmergeError


def ordered() -> None:
    """The command that the arguments of this process name."""
    place, *words = sys.argv[1:]
    sys.argv = ["hubmerge", *words]

    def run() -> None:
        try:
            app()
        except HubmergeError as error:
            from hubmerge.jobs.outcome import Failure

            Path(place).write_text(Failure.of(error).model_dump_json(), encoding="utf-8")
            raise

    main(run)


if __name__ == "__main__":
    ordered()
