"""Many people at once: does the app lose, mix up or swell?

    python benchmarks/space_load.py --people 50 -o load

Starts the app beside an embedded Hub with one pair of small models, and has every person hand in a
merge of their own (by weights, each another seed) at the same moment, over HTTP. Says how long it
took, what became of each, whether anybody got somebody else's, and what the app's processes held at
most.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from gradio_client import Client

from hubmerge.demo.run import parent
from hubmerge.demo.train import COURSES
from hubmerge.recipe import Recipe
from spaces_app.embedded import beside_a_hub
from spaces_app.page.visitor import COOKIE
from spaces_app.server import serving
from spaces_app.service.limits import Limits

LOOK_EVERY = 2.0
MEASURE_EVERY = 0.5
PATIENCE = 600
"""Seconds anybody waits for an answer."""


class Memory:
    """The most that this process and its children held, in bytes of their own (USS)."""

    def __init__(self) -> None:
        self.most, self.processes, self._end = 0, 0, threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _measure(self) -> None:
        own = psutil.Process()
        while not self._end.wait(MEASURE_EVERY):
            family = [own, *own.children(recursive=True)]
            self.most = max(self.most, sum(map(_held, family)))
            self.processes = max(self.processes, len(family))


def _held(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().uss
    except psutil.Error:
        return 0


def person(url: str, number: int, gate: threading.Barrier) -> dict[str, Any]:
    """One person's merge from the click to the end."""
    cookie = {"cookie": f"{COOKIE}=person-{number}"}
    client = Client(url, verbose=False, headers=cookie, httpx_kwargs={"timeout": PATIENCE})
    models = tuple(parent(COURSES[0], letter) for letter in "ab")
    recipe = Recipe(models=models, match="weights", seed=number)
    gate.wait()
    begun = time.monotonic()
    answer = client.predict(recipe.to_yaml(), api_name="/merge")
    if "job" not in answer:
        return {"state": "refused", "why": answer["error"]["what"]}
    clicked = time.monotonic() - begun
    while True:
        status = client.predict(answer["job"], api_name="/status")
        if status["state"] in ("done", "failed", "stopped"):
            break
        time.sleep(LOOK_EVERY)
    seconds = time.monotonic() - begun
    own = status["state"] == "done" and status["report"]["method"]["seed"] == number
    return {"state": status["state"], "own": own, "clicked": clicked, "seconds": seconds}


def main(people: int, root: Path) -> dict[str, Any]:
    """The figures."""
    with beside_a_hub(root, COURSES[:1]) as host, serving(host, limits=Limits.of()) as app:
        gate = threading.Barrier(people)
        with Memory() as memory, ThreadPoolExecutor(people) as crowd:
            begun = time.monotonic()
            done = list(crowd.map(lambda n: person(app.url, n, gate), range(people)))
            seconds = time.monotonic() - begun
    finished = [each for each in done if "seconds" in each]
    return {
        "people": people,
        "outcomes": dict(Counter(each["state"] for each in done)),
        "somebody_elses": sum(not each["own"] for each in finished),
        "seconds": round(seconds, 1),
        "median_seconds_to_a_place_in_the_queue": round(median(e["clicked"] for e in finished), 1),
        "most_memory_bytes": memory.most,
        "most_processes": memory.processes,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for Hub and jobs")
    given = parser.parse_args()
    print(json.dumps(main(given.people, given.out.resolve()), indent=2))
