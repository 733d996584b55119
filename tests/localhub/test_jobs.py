"""Jobs of the embedded Hub, by the unmodified client: run, followed, cancelled, ended, refused."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, JobInfo, Volume
from huggingface_hub.errors import HfHubHTTPError

from hubmerge.localhub import EmbeddedHub, LocalJobs, embedded_hub

HOME = "/hubmerge/job"
WHEEL = b"a wheel"
SHA = hashlib.sha256(WHEEL).hexdigest()
KEY = "0" * 32
ASKED = "hubmerge @ file://{home}/wheels/{sha}/hubmerge-0.1.0-py3-none-any.whl#sha256={sha}"
PROGRAM = """
import json, os, sys, time
order = json.load(open(os.path.join(sys.argv[2], "job.json")))
exec(order["home"])
"""
"""Stands for hubmerge: does what the order calls its home."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHub]:
    jobs = LocalJobs(lambda job: [sys.executable, "-c", PROGRAM])
    with embedded_hub(tmp_path_factory.mktemp("hub"), jobs=jobs) as hub:
        hub.api().create_repo("me/model")
        hub.api().create_repo("me/jobs", repo_type="dataset", private=True)
        yield hub


def lay(api: HfApi, does: str, **fields: Any) -> str:
    """An order in the private data set; its commit."""
    order = {"command": "merge", "home": does, "trust_remote_code": False, **fields}
    files = {
        f"jobs/{KEY}/job.json": json.dumps(order).encode(),
        f"wheels/{SHA}/hubmerge-0.1.0-py3-none-any.whl": WHEEL,
    }
    added = [CommitOperationAdd(name, content) for name, content in files.items()]
    done = api.create_commit("me/jobs", added, commit_message="order", repo_type="dataset")
    return str(done.oid)


def start(api: HfApi, commit: str, **changes: Any) -> JobInfo:
    """A job of the one form that there is, but for changes."""
    home = Volume(type="dataset", source="me/jobs", revision=commit, mount_path=HOME)
    asked: dict[str, Any] = {
        "script": "hubmerge",
        "script_args": ["job", f"{HOME}/jobs/{KEY}"],
        "dependencies": [ASKED.format(home=HOME, sha=SHA), "torch==2.13.0"],
        "secrets": {"HF_TOKEN": api.token},
        "timeout": 60,
        "volumes": [home],
        "namespace": "me",
    }
    return api.run_uv_job(**(asked | changes))


def lines(api: HfApi, job: JobInfo) -> list[str]:
    return [*api.fetch_job_logs(job_id=job.id, namespace="me", follow=True)]


def test_a_job_is_run_followed_and_found(api: HfApi) -> None:
    model = api.repo_info("me/model").sha
    cached = f"models--me--model/snapshots/{model}"
    says = f"""
print("here", os.path.isdir(os.environ["HF_HUB_CACHE"] + "/{cached}"))
print(sorted(os.environ)); print(os.listdir()); print(os.getcwd())
"""
    volume = Volume(
        type="model", source="me/model", revision=model, mount_path=f"/hubmerge/cache/{cached}"
    )
    commit = lay(api, says)
    home = Volume(type="dataset", source="me/jobs", revision=commit, mount_path=HOME)
    os.environ["SECRET_OF_THE_SERVER"] = "x"
    try:
        job = start(
            api,
            commit,
            labels={"order": "one"},
            volumes=[home, volume],
            env={"HF_HUB_CACHE": "/hubmerge/cache"},
        )
        (here, environment, files, place) = lines(api, job)
    finally:
        del os.environ["SECRET_OF_THE_SERVER"]
    assert here == "here True"
    assert "HF_TOKEN" in environment
    assert "SECRET_OF_THE_SERVER" not in environment
    assert files == "[]"
    assert place == "/work"
    done = api.inspect_job(job_id=job.id, namespace="me")
    assert done.status.stage == "COMPLETED"
    assert api.token not in json.dumps(
        httpx.get(
            f"{api.endpoint}/api/jobs/me/{job.id}", headers={"Authorization": f"Bearer {api.token}"}
        ).json()
    )
    found = api.list_jobs(labels={"order": "one"}, namespace="me")
    assert [each.id for each in found] == [job.id]
    assert not [*api.list_jobs(labels={"order": "two"}, namespace="me")]
    assert not [*api.list_jobs(status="RUNNING", labels={"order": "one"}, namespace="me")]


def test_a_job_fails_with_its_exit_code(api: HfApi) -> None:
    job = start(api, lay(api, "print('no'); sys.exit(13)"))
    assert lines(api, job) == ["no"]
    status = api.inspect_job(job_id=job.id, namespace="me").status
    assert (status.stage, status.message) == ("ERROR", "Job failed with exit code: 13")


SLEEPS = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""


def gone(pids: list[int]) -> bool:
    """Whether no such process runs any more."""
    for _ in range(200):
        if not any(_runs(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def first_line(api: HfApi, job: JobInfo) -> list[int]:
    """The processes of a job that names them."""
    said = next(iter(api.fetch_job_logs(job_id=job.id, namespace="me", follow=True)))
    return [int(word) for word in said.split()]


def test_a_cancelled_job_ends_with_all_its_processes(api: HfApi) -> None:
    job = start(api, lay(api, SLEEPS))
    pids = first_line(api, job)
    api.cancel_job(job_id=job.id, namespace="me")
    assert gone(pids)
    assert api.wait_for_job(job.id, namespace="me").status.stage == "CANCELED"


def test_a_job_ends_at_its_time_limit(api: HfApi) -> None:
    job = start(api, lay(api, SLEEPS), timeout=3)
    assert gone(first_line(api, job))
    status = api.wait_for_job(job.id, namespace="me").status
    assert (status.stage, status.message) == ("ERROR", "Job timeout")


SERVES = """
import sys, time
from pathlib import Path
from hubmerge.localhub import LocalJobs, embedded_hub
jobs = LocalJobs(lambda job: [sys.executable, "-c", sys.argv[2]])
with embedded_hub(Path(sys.argv[1]), jobs=jobs) as hub:
    print(hub.url, hub.token, flush=True)
    time.sleep(600)
"""


def test_jobs_end_with_the_server_however_it_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVES, str(tmp_path), PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url, token = server.stdout.readline().split()
        api = HfApi(endpoint=url, token=token)
        api.create_repo("me/jobs", repo_type="dataset", private=True)
        job = start(api, lay(api, SLEEPS))
        pids = first_line(api, job)
        server.kill()
    assert gone(pids)


def refused(act: Callable[[], object]) -> HfHubHTTPError:
    with pytest.raises(HfHubHTTPError) as error:
        act()
    return error.value


@pytest.mark.parametrize(
    "changes",
    [
        {"script": "bash"},
        {"script_args": ["merge", "a", "b"]},
        {"script_args": ["job", "/etc"]},
        {"script_args": ["job", f"{HOME}/jobs/{KEY}/../.."]},
        {"dependencies": []},
        {"dependencies": ["hubmerge"]},
        {"dependencies": [ASKED.format(home=HOME, sha=SHA).replace(SHA[:4], "0000")]},
        {"dependencies": [ASKED.format(home=HOME, sha=SHA), "torch @ https://x.example/t.whl"]},
        {"python": "3.12"},
        {"env": {"LD_PRELOAD": "/x.so"}},
        {"env": {"HF_ENDPOINT": "https://x.example"}},
        {"secrets": {}},
        {"secrets": {"HF_TOKEN": "hf_another"}},
        {"secrets": {"HF_TOKEN": "", "OTHER": "x"}},
        {"timeout": None},
        {"timeout": "9d"},
        {"flavor": "h200"},
        {"volumes": []},
        {"expose": [80]},
        {"ssh": True},
        {"labels": {"a": "b\n"}},
    ],
    ids=str,
)
def test_any_other_command_is_refused(api: HfApi, changes: dict[str, Any]) -> None:
    commit = lay(api, "print(1)")
    before = len([*api.list_jobs(namespace="me")])
    if changes.get("secrets"):
        changes = {"secrets": {k: v or api.token for k, v in changes["secrets"].items()}}
    assert refused(lambda: start(api, commit, **changes)).response.status_code == 400
    assert len([*api.list_jobs(namespace="me")]) == before


@pytest.mark.parametrize(
    "change",
    [
        {"revision": None},
        {"revision": "main"},
        {"mount_path": "/etc"},
        {"mount_path": f"{HOME}/../x"},
        {"source": "me/model", "type": "model"},
        {"source": "../x"},
        {"path": "jobs"},
    ],
    ids=str,
)
def test_an_order_lies_in_its_place_at_a_commit(api: HfApi, change: dict[str, Any]) -> None:
    given = {"type": "dataset", "source": "me/jobs", "revision": lay(api, "1"), "mount_path": HOME}
    volume = Volume(**(given | change))
    status = refused(lambda: start(api, "", volumes=[volume])).response.status_code
    assert status in (400, 404)


def test_orders_that_are_none_or_run_others_code_are_refused(api: HfApi) -> None:
    for fields in ({"command": "demo"}, {"trust_remote_code": True}):
        commit = lay(api, "print(1)", **fields)
        assert refused(lambda commit=commit: start(api, commit)).response.status_code == 400


def test_a_public_order_is_refused(api: HfApi) -> None:
    commit = lay(api, "print(1)")
    api.update_repo_settings("me/jobs", repo_type="dataset", private=False)
    try:
        assert refused(lambda: start(api, commit)).response.status_code == 400
    finally:
        api.update_repo_settings("me/jobs", repo_type="dataset", private=True)


def test_jobs_are_the_owners_alone(hub: EmbeddedHub, api: HfApi) -> None:
    commit = lay(api, "print(1)")
    job = start(api, commit)
    guest = hub.api(hub.add_user("guest", "admin"))
    for act in (
        lambda: start(guest, commit),
        lambda: start(guest, commit, namespace="guest"),
        lambda: [*guest.list_jobs(namespace="me")],
        lambda: guest.inspect_job(job_id=job.id, namespace="me"),
        lambda: guest.cancel_job(job_id=job.id, namespace="me"),
        lambda: [*guest.fetch_job_logs(job_id=job.id, namespace="me")],
    ):
        assert refused(act).response.status_code == 403
    anonymous = hub.api(token=False)
    assert refused(lambda: [*anonymous.list_jobs(namespace="me")]).response.status_code == 401
    lines(api, job)


def test_there_are_no_jobs_unless_a_program_gives_them(tmp_path: Path) -> None:
    with embedded_hub(tmp_path) as plain:
        api = plain.api()
        assert refused(api.list_jobs_hardware).response.status_code == 404
        assert refused(lambda: [*api.list_jobs(namespace="me")]).response.status_code == 404
        api.create_repo("me/jobs", repo_type="dataset", private=True)
        commit = lay(api, "print(1)")
        assert refused(lambda: start(api, commit)).response.status_code == 404
