"""Many people at once: does the app lose, mix up or swell?

    python benchmarks/space_load.py --people 50 -o load

Starts the app, in a process of its own, beside an embedded Hub with one pair of small models, and
has every person hand in a merge of their own (by weights, each another seed) at the same moment,
over HTTP. Says how long it took, what became of each, whether a visitor got another one's, what is
left in the app afterwards, and what the app, its workers and the Hub held at most.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil
from gradio_client import Client

from hubmerge.demo.run import parent
from hubmerge.demo.train import PARENT_CONFIGS
from hubmerge.recipe import Recipe
from spaces_app.embedded import with_embedded_hub
from spaces_app.server import serving
from spaces_app.ui.visitor_cookie import COOKIE

LOOK_EVERY = 3.0
MEASURE_EVERY = 0.5
ENDED = ("done", "failed", "stopped")


def serve(root: Path, pipe: Connection) -> None:
    """The app and its Hub, until the other end of `pipe` closes."""
    with with_embedded_hub(root, PARENT_CONFIGS[:1]) as host, serving(host) as app:
        pipe.send((app.url, str(host.root)))
        with suppress(EOFError):
            pipe.recv()


@contextmanager
def an_app(root: Path) -> Iterator[tuple[str, Path, psutil.Process]]:
    """Address, folder and process of an app that is up and has done its imports."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    process = processes.Process(target=serve, args=(root, theirs))
    process.start()
    theirs.close()
    try:
        url, folder = ours.recv()
        Client(url, verbose=False).predict(a_recipe(0).to_yaml(), api_name="/plan")
        yield url, Path(folder), psutil.Process(process.pid)
    finally:
        ours.close()
        process.join()


class Memory:
    """Bytes of its own (USS) that a process and all below it hold: at first, and at most."""

    def __init__(self, root: psutil.Process) -> None:
        self._root, self._end = root, threading.Event()
        self.first, self.most, self.processes = self.now(), 0, 0
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def now(self) -> int:
        """At this moment."""
        return sum(map(_held, self._family()))

    def _family(self) -> list[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]

    def _measure(self) -> None:
        while not self._end.wait(MEASURE_EVERY):
            self.most = max(self.most, self.now())
            self.processes = max(self.processes, len(self._family()))


def _held(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().uss
    except psutil.Error:
        return 0


def a_recipe(seed: int) -> Recipe:
    """A merge of the two small models that no other seed's is."""
    models = tuple(parent(PARENT_CONFIGS[0], letter) for letter in "ab")
    return Recipe(models=models, match="weights", seed=seed)


def person(url: str, number: int, gate: threading.Barrier, deadline: float) -> dict[str, Any]:
    """One person's merge from the click to the end."""
    cookie = {"cookie": f"{COOKIE}=person-{number}"}
    options = {"timeout": max(1.0, deadline - time.monotonic())}
    client = Client(url, verbose=False, headers=cookie, httpx_kwargs=options)
    gate.wait()
    begun = time.monotonic()
    answer = client.predict(a_recipe(number).to_yaml(), api_name="/merge")
    clicked = time.monotonic() - begun
    if "job" not in answer:
        return {"state": "refused", "why": answer["error"]["what"]}
    while time.monotonic() < deadline:
        status = client.predict(answer["job"], api_name="/status")
        if status["state"] in ENDED:
            break
        time.sleep(LOOK_EVERY)
    else:
        return {"state": "not ended in time"}
    done = status["state"] == "done"
    file = httpx.get(f"{url}/jobs/{answer['job']}/report.json", timeout=60) if done else None
    seeds = {status["report"]["method"]["seed"], file.json()["method"]["seed"]} if file else set()
    return {
        "state": status["state"],
        "own": seeds == {number},
        "clicked": clicked,
        "seconds": time.monotonic() - begun,
    }


def main(people: int, root: Path, at_most: float) -> dict[str, Any]:
    """The figures."""
    deadline = time.monotonic() + at_most
    with an_app(root) as (url, folder, process):
        gate = threading.Barrier(people)
        busy = os.getloadavg()[0]
        with Memory(process) as memory, ThreadPoolExecutor(people) as crowd:
            begun = time.monotonic()
            done = list(crowd.map(lambda n: person(url, n, gate, deadline), range(people)))
            seconds = time.monotonic() - begun
        metrics = httpx.get(f"{url}/metrics").text.splitlines()
        jobs = len(list((folder / "jobs").iterdir()))
        held = memory.now()
    finished = [each for each in done if "own" in each]
    return {
        "people": people,
        "outcomes": dict(Counter(each["state"] for each in done)),
        "not_their_own": sum(not each["own"] for each in finished),
        "counted_by_the_app": [line for line in metrics if line.startswith("hubmerge_jobs_total")],
        "results_on_disk": jobs,
        "seconds": round(seconds, 1),
        "median_seconds_to_a_place_in_the_queue": _median(finished, "clicked"),
        "median_seconds_to_the_end": _median(finished, "seconds"),
        "memory_before": memory.first,
        "memory_at_most": memory.most,
        "memory_afterwards": held,
        "most_processes": memory.processes,
        "load_before_and_after": [round(busy, 1), round(os.getloadavg()[0], 1)],
    }


def _median(people: list[dict[str, Any]], what: str) -> float | None:
    return round(median(each[what] for each in people), 1) if people else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--at-most", type=float, default=900, help="seconds after which it ends")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for Hub and jobs")
    given = parser.parse_args()
    found = main(given.people, given.out.resolve(), given.at_most)
    print(json.dumps(found, indent=2))
    sys.exit(found["outcomes"] != {"done": given.people} or bool(found["not_their_own"]))
