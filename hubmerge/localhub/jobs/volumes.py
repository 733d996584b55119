"""What a job reads, laid out in its own folder: repositories at commits, and its order checked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hubmerge.localhub import limits
from hubmerge.localhub.jobs.form import ORDER, RECIPE, Job, Mounted, check_order
from hubmerge.localhub.refusal import Refusal
from hubmerge.localhub.store import Store


def require_own(store: Store, job: Job, caller: str) -> None:
    """Refuses (400), unless the first volume is private to the caller and holds what it must."""
    home = job.volumes[0]
    state = store.state(home.key)
    if state is None or not state.private or home.key.namespace != caller:
        raise Refusal(400, "The order of a job lies in a private data set of the account that asks")
    tree = store.commit(home.key, home.commit).tree
    wheel, order = tree.get(job.wheel), tree.get(f"{job.place}/{ORDER}")
    if wheel is None or wheel.sha256 != job.sha256:
        raise Refusal(400, "The wheel is not there, or not what the command names")
    if order is None or order.size > limits.JOB_ORDER:
        raise Refusal(400, f"There is no {ORDER}, or it is too long")
    recipe = tree.get(f"{job.place}/{RECIPE}")
    if recipe is not None and recipe.size > limits.JOB_ORDER:
        raise Refusal(400, f"{RECIPE} is too long")
    check_order(store.blobs.path(order.sha256).read_bytes())
    for each in job.volumes[1:]:
        if store.state(each.key) is None:
            raise Refusal(400, f"There is no {each.key.singular} {each.key.id}")
        store.commit(each.key, each.commit)


def lay_out(store: Store, job: Job, root: Path) -> None:
    """Copies every volume below `root`, for reading."""
    for each in job.volumes:
        _copy(store, each, root / each.at.lstrip("/"))


def _copy(store: Store, volume: Mounted, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, entry in store.commit(volume.key, volume.commit).tree.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(store.blobs.path(entry.sha256), target)
        os.chmod(target, 0o444)
