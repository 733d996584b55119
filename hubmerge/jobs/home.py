"""The private data set of an account in which jobs find their orders and leave their outcomes.

wheels/SHA256/hubmerge-VERSION-py3-none-any.whl   each version once
jobs/KEY/job.json, hubmerge.yaml                  what a job is asked to do
jobs/KEY/outcome.json, alignment/...              how it ended, and what it found
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import EntryNotFoundError

from hubmerge.errors import TargetError
from hubmerge.hub.client import ask, client, endpoint
from hubmerge.jobs.order import ORDER, Order
from hubmerge.jobs.outcome import MOST, OUTCOME, Outcome, read_outcome
from hubmerge.jobs.wheel import write_wheel
from hubmerge.recipe import RECIPE_FILE
from hubmerge.utils.atomic_folder import atomic_folder
from hubmerge.utils.untrusted import Unreadable, read_text

NAME = "hubmerge-jobs"
ALIGNMENT = "alignment"


@dataclass(frozen=True)
class Wheel:
    """This version of hubmerge as a file."""

    name: str
    content: bytes
    sha256: str

    @property
    def path(self) -> str:
        """Where it lies in the data set."""
        return f"wheels/{self.sha256}/{self.name}"


def own_wheel() -> Wheel:
    """The wheel of this installation."""
    with tempfile.TemporaryDirectory(prefix="hubmerge-") as place:
        path = write_wheel(Path(place))
        content = path.read_bytes()
    return Wheel(path.name, content, hashlib.sha256(content).hexdigest())


def home_of(account: str) -> str:
    """Id of the data set."""
    return f"{account}/{NAME}"


def send(order: Order, recipe: str | None, wheel: Wheel) -> str:
    """Lays an order into its data set, which is made if need be; the commit that holds it.

    What an earlier job of this order left is taken away.
    Raises: TargetError, if the data set is public; AccessError, HubUnavailableError.
    """
    api = client()

    def lay() -> str:
        api.create_repo(order.home, repo_type="dataset", private=True, exist_ok=True)
        if not api.repo_info(order.home, repo_type="dataset").private:
            raise TargetError(
                f"the data set {order.home} is public, and orders of jobs are not",
                source=f"{endpoint()}/datasets/{order.home}",
                hint="make it private, or delete it",
            )
        texts = {ORDER: order.model_dump_json(indent=1)}
        texts |= {} if recipe is None else {RECIPE_FILE: recipe}
        added = [CommitOperationAdd(wheel.path, wheel.content)]
        added += [CommitOperationAdd(f"{order.place}/{n}", t.encode()) for n, t in texts.items()]
        done = api.create_commit(
            order.home,
            [*added, *_left(api, order)],
            commit_message=f"Ask for a job: {order.command} {order.key[:12]}",
            repo_type="dataset",
        )
        return str(done.oid)

    return ask(lay, order.home, "dataset")


def leave(order: Order, outcome: Outcome, alignment: Path | None) -> None:
    """Puts the outcome of an order beside it. Raises: AccessError, HubUnavailableError."""
    content = outcome.model_dump_json(indent=1).encode()
    files = [CommitOperationAdd(f"{order.place}/{OUTCOME}", content)]
    if alignment is not None and alignment.is_dir():
        files += [
            CommitOperationAdd(
                f"{order.place}/{ALIGNMENT}/{path.relative_to(alignment).as_posix()}", path
            )
            for path in sorted(alignment.rglob("*"))
            if path.is_file()
        ]
    message = f"Outcome of {order.command} {order.key[:12]}"
    ask(
        lambda: client().create_commit(
            order.home, files, commit_message=message, repo_type="dataset"
        ),
        order.home,
        "dataset",
    )


def outcome_of(order: Order) -> Outcome | None:
    """The outcome of an order; None if there is none. Raises: AccessError, HubUnavailableError."""
    with tempfile.TemporaryDirectory(prefix="hubmerge-") as place:

        def download() -> str | None:
            try:
                return client().hf_hub_download(
                    order.home, f"{order.place}/{OUTCOME}", repo_type="dataset", local_dir=place
                )
            except EntryNotFoundError:
                return None

        path = ask(download, order.home, "dataset")
        try:
            return None if path is None else read_outcome(read_text(Path(path), MOST))
        except Unreadable:
            return None


def bring_alignment(order: Order, out: Path) -> None:
    """Writes the alignment that a job found into the new folder `out`."""
    with tempfile.TemporaryDirectory(prefix="hubmerge-") as place:
        within = f"{order.place}/{ALIGNMENT}"

        def download() -> str:
            return client().snapshot_download(
                order.home, repo_type="dataset", allow_patterns=f"{within}/*", local_dir=place
            )

        folder = Path(ask(download, order.home, "dataset")) / within
        with atomic_folder(out) as partial:
            shutil.copytree(folder, partial, dirs_exist_ok=True)


def _left(api: HfApi, order: Order) -> list[CommitOperationDelete]:
    """Operations that take away what an earlier job of the order left."""
    try:
        tree = api.list_repo_tree(order.home, order.place, repo_type="dataset")
        names = {each.path.rpartition("/")[2] for each in tree}
    except EntryNotFoundError:
        return []
    gone = [(OUTCOME, False), (ALIGNMENT, True)]
    return [
        CommitOperationDelete(f"{order.place}/{name}{'/' * folder}", is_folder=folder)
        for name, folder in gone
        if name in names
    ]
