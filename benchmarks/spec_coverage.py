"""How much of every model may move, by derived and by reviewed specs: writes docs/coverage.md.

    python benchmarks/spec_coverage.py            # all of benchmarks/coverage_models.py, resumable
    python benchmarks/spec_coverage.py bert t5    # some model types alone, printed

Every model has the default configuration of its class; no weights are downloaded or made, but those
of its twin.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import FrameType

import transformers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.coverage_models import SIZES, models
from hubmerge.derivation.derive import derive, movable
from hubmerge.derivation.twin import on_meta
from hubmerge.errors import HubmergeError
from hubmerge.specs.bind import bind
from hubmerge.specs.family import load_families, named

PAGE = Path(__file__).resolve().parent.parent / "docs" / "coverage.md"
LONGEST = 60
"""Seconds of processor time for one model."""

Row = tuple[str, str, str]


@dataclass(frozen=True)
class Attempt:
    """What became of one model."""

    kind: str
    model_type: str
    name: str
    movable: float | None = None
    reviewed: float | None = None
    spaces: int = 0
    kinds: str = ""
    deviation: float | None = None
    seconds: float = 0.0
    refused: str | None = None
    crashed: bool = False


class TooLong(BaseException):
    """A model that takes more than its time; none of what refuses models on the way catches it."""


def attempt(row: Row) -> Attempt:
    """Derives a spec for one model."""
    kind, model_type, name = row
    started = time.process_time()

    def over(number: int, frame: FrameType | None) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    try:
        model_class = getattr(transformers, name)
        config = model_class.config_class(**SIZES.get(model_type, {}))
        reviewed = _reviewed(config, model_class)
        found = derive(named(config, model_class), model_class)
        spec = found.spec
        more = {*spec.mapped_spaces().values(), *(["scale"] if spec.scaled_spaces() else [])}
        return Attempt(
            kind,
            model_type,
            name,
            found.movable,
            reviewed,
            len(spec.free_spaces()),
            ", ".join(sorted(more)),
            found.deviation,
            time.process_time() - started,
        )
    except TooLong:
        return _refused(row, f"longer than {LONGEST} s", started)
    except HubmergeError as error:
        return _refused(row, f"{error.what}: {error.found}", started)
    except Exception as error:
        traceback.print_exc()
        return _refused(row, f"{type(error).__name__}: {error}", started, crashed=True)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _refused(row: Row, why: str, started: float, *, crashed: bool = False) -> Attempt:
    said = why.splitlines()[0][:160]
    seconds = time.process_time() - started
    return Attempt(*row, seconds=seconds, refused=said, crashed=crashed)


def _reviewed(config: transformers.PreTrainedConfig, model_class: type) -> float | None:
    """By the reviewed spec, if one describes the model."""
    try:
        real = on_meta(model_class, config)
    except Exception:  # which derivation refuses by name
        return None
    config = named(real.config, model_class)
    shapes = {name: tuple(tensor.shape) for name, tensor in real.state_dict().items()}
    for family in load_families().families.values():
        if family.fits(config):
            try:
                return movable(bind(family, config, shapes))
            except HubmergeError:
                return None
    return None


def page(attempts: Sequence[Attempt]) -> str:
    """docs/coverage.md."""
    types = {a.model_type for a in attempts}
    certified = [a for a in attempts if a.movable is not None]
    moved = {a.model_type for a in certified}
    best = [max(a.movable or 0 for a in certified if a.model_type == t) for t in sorted(moved)]
    crashed = sum(a.crashed for a in attempts)
    lines = [
        "# Coverage of derived specs",
        "",
        "<!-- written by benchmarks/spec_coverage.py -->",
        "",
        f"{len(attempts)} of the {len(models())} classes of `benchmarks/coverage_models.py` were",
        f"attempted. Of these {len(types)} model types, {len(moved)} have a certified",
        f"[derived spec](derivation.md) ({len(certified)} classes); the median of the share of",
        f"weights that may move is {median(best) if best else 0:.3f}. Crashes: {crashed}.",
        "Every model has the default configuration of its class, nearly always that of the base",
        f"model; transformers {transformers.__version__}.",
        "",
        "*movable*: share of the model's numbers in tensors that a free space touches, by the",
        "derived spec and by the reviewed one. *more*: symmetries beyond permutations.",
        "*deviation*: how far random elements of all symmetries move the outputs in float64,",
        "relative to their size. *time*: of one processor, seconds.",
    ]
    for kind in dict.fromkeys(a.kind for a in attempts):
        lines += ["", f"## {kind.capitalize()}", ""]
        lines += ["| type | class | movable | reviewed | spaces | more | deviation | time |"]
        lines += ["|:--|:--|--:|--:|--:|:--|--:|--:|"]
        for a in attempts:
            if a.kind == kind and a.movable is not None:
                reviewed = "" if a.reviewed is None else f"{a.reviewed:.3f}"
                lines.append(
                    f"| {a.model_type} | {a.name} | {a.movable:.3f} | {reviewed} | {a.spaces} "
                    f"| {a.kinds} | {a.deviation:.0e} | {a.seconds:.0f} |"
                )
    refused = [a for a in attempts if a.refused]
    if refused:
        lines += ["", "## Refused", "", "| type | class | cause |", "|:--|:--|:--|"]
        for a in sorted(refused, key=lambda a: (a.refused or "", a.name)):
            cause = (a.refused or "").replace("|", "\\|")
            lines.append(f"| {a.model_type} | {a.name} | {cause} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """All models, or those of some types."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--store", type=Path, default=Path("coverage.jsonl"))
    parser.add_argument("--page", action="store_true", help="write what is done already")
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if given.types:
        for row in models():
            if row[1] in given.types:
                print(attempt(row), flush=True)
        return
    done: dict[str, Attempt] = {}
    if given.store.exists():
        for line in given.store.read_text().splitlines():
            one = Attempt(**json.loads(line))
            done[f"{one.model_type} {one.name}"] = one
    for row in models():
        key = f"{row[1]} {row[2]}"
        if key not in done and not given.page:
            done[key] = attempt(row)
            with given.store.open("a") as store:
                store.write(json.dumps(asdict(done[key])) + "\n")
            print(done[key], flush=True)
    order = [done[key] for _, t, n in models() if (key := f"{t} {n}") in done]
    PAGE.write_text(page(order), encoding="utf-8")


if __name__ == "__main__":
    main()
