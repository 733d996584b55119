"""Starting the job of an order, and finding one that runs already."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import requires, version
from pathlib import Path

from huggingface_hub import JobInfo, JobStage, Volume
from packaging.requirements import Requirement
from packaging.version import Version

from hubmerge.errors import AccessError, RecipeError
from hubmerge.errors.wording import action
from hubmerge.hub.client import client, endpoint, token_of_caller
from hubmerge.hub.source import Source
from hubmerge.jobs.flavors import Flavor, flavor_of
from hubmerge.jobs.home import Wheel
from hubmerge.jobs.order import Order
from hubmerge.jobs.refusals import about_jobs

HOME = "/hubmerge/job"
"""Where a job finds the data set with its order."""
CACHE = "/hubmerge/cache"
"""Its cache of downloads, in which parents and data lie as snapshots."""
LABEL = "hubmerge-order"
THE_HUB = "https://huggingface.co"
PYTHON = "3.12"


def account_of_caller() -> str:
    """Who pays. Raises: AccessError, without a token."""
    if token_of_caller() is None:
        raise AccessError(
            "a job needs a token", source=endpoint(), hint=action("sign in"), field="on"
        )
    with about_jobs("your account"):
        return str(client().whoami()["name"])


def offered(account: str) -> list[Flavor]:
    """The machines that the Hub offers."""
    with about_jobs(account):
        found = map(flavor_of, client().list_jobs_hardware())
        return [each for each in found if each is not None]


def running(order: Order, account: str) -> JobInfo | None:
    """The job of that order that is not over; None if there is none."""
    with about_jobs(account):
        found = client().list_jobs(
            status=[JobStage.SCHEDULING, JobStage.RUNNING],
            labels={LABEL: order.key},
            namespace=account,
        )
        return next(iter(found), None)


def start(
    order: Order,
    commit: str,
    wheel: Wheel,
    sources: Iterable[Source],
    *,
    flavor: Flavor,
    seconds: int,
    account: str,
) -> JobInfo:
    """Starts the job of an order that was sent.

    commit: of the data set that holds it. sources: what it reads, mounted where the client looks
    first. seconds: its time limit.
    Raises: AccessError, RecipeError, HubUnavailableError.
    """
    token = token_of_caller()
    words = ["hubmerge", "job", f"{HOME}/{order.place}"]
    for word in words:
        if Path(word).is_file():  # the client would take it for a script to be sent along
            raise RecipeError(
                f"a file called {word!r} lies here", hint="start it in another folder"
            )
    environment = {"HF_HUB_CACHE": CACHE}
    environment |= {} if endpoint() == THE_HUB else {"HF_ENDPOINT": endpoint()}
    home = Volume(
        type="dataset", source=order.home, revision=commit, mount_path=HOME, read_only=True
    )
    with about_jobs(account):
        return client().run_uv_job(
            words[0],
            script_args=words[1:],
            dependencies=[
                f"hubmerge @ file://{HOME}/{wheel.path}#sha256={wheel.sha256}",
                *libraries(),
            ],
            flavor=flavor.name,
            timeout=seconds,
            env=environment,
            secrets={"HF_TOKEN": token},
            labels={LABEL: order.key, "name": f"hubmerge-{order.command}-{order.key[:8]}"},
            volumes=[home, *map(_snapshot, dict.fromkeys(_repositories(sources)))],
            namespace=account,
        )


def libraries() -> list[str]:
    """What hubmerge needs, in the versions that are here: the same arithmetic there as here.

    Left out are versions of which there are no packages.
    """
    found = []
    for each in map(Requirement, requires("hubmerge") or ()):
        if each.marker is not None and "extra" in str(each.marker):
            continue
        here = Version(version(each.name))
        if not here.is_devrelease:
            found.append(f"{each.name}=={here.public}")
    return found


def _repositories(sources: Iterable[Source]) -> list[tuple[str, str, str]]:
    return [
        (each.repo_type, each.id, each.sha)
        for source in sources
        for each in source.made_of
        if each.folder is None
    ]


def _snapshot(repository: tuple[str, str, str]) -> Volume:
    """A repository at a commit, where the cache of a job would hold it: nothing is fetched."""
    kind, id_, sha = repository
    place = f"{CACHE}/{kind}s--{id_.replace('/', '--')}/snapshots/{sha}"
    return Volume(
        type=kind,  # type: ignore[arg-type]  # "model" or "dataset"
        source=id_,
        revision=sha,
        mount_path=place,
        read_only=True,
    )
