"""What one process and two must agree on, to the bit. Run by tests/cli/test_shared_work.py."""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from hubmerge.errors import SpecError
from hubmerge.fuse import Fusion, Given, fusions
from hubmerge.fuse.methods.average import average
from hubmerge.matching import find_matcher, measure_moments
from hubmerge.matching.methods.weights import match_weights
from hubmerge.models.method_context import MethodContext
from hubmerge.refine import distill
from hubmerge.repair import find_repair
from hubmerge.symmetry.laws import spec_of
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.workers import Workers
from tests.helpers.few_steps import quickly
from tests.helpers.labelled import labelled
from tests.helpers.tiny import generic, probe_batches

METHODS = {"vit": "repair", "resnet-basic": "batchnorm", "mlp_head-layer": "repair"}


class Unportable(Exception):
    """As some libraries' errors, it cannot be rebuilt from its message."""

    def __init__(self, message: str, *, response: object) -> None:
        super().__init__(message)
        self.response = response


def digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over the bytes of all tensors."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].contiguous().numpy().tobytes())
    return found.hexdigest()


def results(workers: Workers) -> dict[str, object]:
    """Everything that is computed by handing out jobs."""
    found: dict[str, object] = {}
    for name, method in METHODS.items():
        a, b = (copy.deepcopy(generic(name, seed)).float() for seed in (0, 1))
        spec, batches = spec_of(a), probe_batches(a, rows=8, count=5, dtype=torch.float32)
        first, last = a.state_dict(), b.state_dict()
        moments = measure_moments(spec, a, b, batches, workers)
        found[f"{name} moments"] = digest({str(w): v for w, v in moments.correlations.items()})
        found[f"{name} images"] = moments.images
        for by, needed in (("weights", None), ("activations", moments)):
            match = find_matcher(by).function(spec, first, last, moments=needed)
            found[f"{name} {by}"] = digest({**match.permutation, **match.maps})
        shared = match_weights(spec, first, last, workers=workers)
        found[f"{name} weights, shared"] = digest({**shared.permutation, **shared.maps})
        context = MethodContext(spec, copy.deepcopy(a), batches, workers)
        repairer = find_repair(method).function(context, [first, last])
        found[f"{name} {method}"] = digest(repairer(average([first, last], [0.5, 0.5]), [0.5, 0.5]))
    found |= fusions_of_a_vit(workers)
    found["vit distill"] = refined_vit(workers)
    found["order"] = workers.map(lambda n: n * n, range(7))
    rows = torch.randn(9, 50, generator=torch.Generator().manual_seed(0))
    found["sum"] = digest(workers.sum(lambda n: {"x": rows[n]}, range(9)))
    return found


def fusions_of_a_vit(workers: Workers) -> dict[str, str]:
    """What every fusion that looks at rows makes of two models."""
    models = [copy.deepcopy(generic("vit", seed)).float() for seed in (0, 1, 2)]
    *states, base = [{t: v.clone() for t, v in each.state_dict().items()} for each in models]
    batches = probe_batches(models[0], rows=6, count=3, dtype=torch.float32)
    held = labelled(models[1], 120)

    def context(fusion: Fusion) -> MethodContext:
        shown = labelled(models[0], 120) if fusion.learns else batches
        return MethodContext(None, models[0], shown, workers, held)

    return {
        f"vit {fusion.name}": digest(
            fusion.fuse(
                states,
                [0.4, 0.6],
                context(fusion),
                Given(base=base if fusion.needs_base else None, options=quickly(fusion)),
            )
        )
        for fusion in fusions().values()
        if fusion.needs_data
    }


def refined_vit(workers: Workers) -> str:
    """What a model becomes that learns what two say together."""
    models = [copy.deepcopy(generic("vit", seed)).float() for seed in (0, 1)]
    states = [{t: v.clone() for t, v in model.state_dict().items()} for model in models]
    rows, held = (
        probe_batches(model, rows=n, count=2, dtype=torch.float32)
        for model, n in ((models[0], 25), (models[1], 10))
    )
    context = MethodContext(None, models[0], rows, workers, held)
    refined = distill(average(states, [0.5, 0.5]), states, context, steps=6, rates=[1e-3])
    return f"{refined.outcome}: {digest(refined.state)}"


def said(act: Callable[[], object]) -> str:
    """What an act raises, in words."""
    try:
        act()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def failures(workers: Workers) -> dict[str, str]:
    """What this process hears of errors that happened on either."""

    def job(bad: int) -> Callable[[int], int]:
        def act(n: int) -> int:
            if n == bad:
                raise SpecError(f"job {n} failed", hint="this reaches everyone")
            return n

        return act

    def unportable() -> None:
        raise Unportable("gone", response=1)

    return {
        "first": said(lambda: workers.map(job(0), range(4))),
        "second": said(lambda: workers.map(job(1), range(4))),
        "sum": said(lambda: workers.sum(lambda n: {"x": torch.tensor(job(3)(n))}, range(4))),
        "main": said(lambda: workers.on_main(lambda: job(0)(0))),
        "unportable": said(lambda: workers.on_main(unportable)),
        "after": said(lambda: workers.map(job(9), range(4))),
    }


def main(folder: Path) -> None:
    """Leaves what this process found in a file of its own."""
    be_quiet()
    workers = Workers()
    mine = {
        "processes": workers.processes,
        "threads": workers.threads,
        "main": workers.on_main(lambda: "heard of main"),
        "results": results(workers),
        "failures": failures(workers),
    }
    (folder / f"{workers.accelerator.process_index}.json").write_text(json.dumps(mine))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
