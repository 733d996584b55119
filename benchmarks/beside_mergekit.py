"""mergekit and hubmerge side by side: tiny models of the Hub's common types, each averaged by both.

    python benchmarks/beside_mergekit.py --mergekit /path/to/venv/bin/python [--page]

Of every kind in `tests/helpers/kinds.py` two random models are saved; hubmerge averages them
without matching, mergekit by `linear`, both in float32. What came out is loaded by the models' own
class of transformers, and looked at: whether it has every key, and whether every tensor in which
the parents differ is their mean. --mergekit: the Python of an environment with mergekit 0.1.5
(`python -m venv mk; mk/bin/pip install mergekit==0.1.5`). --page writes docs/beside-mergekit.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import common
import torch
import transformers

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.helpers.kinds import KINDS  # noqa: E402

PAGE = ROOT / "docs" / "beside-mergekit.md"
FEW = ("bert-classes", "t5", "vit")
"""Kinds that are tried by --quick."""
SHOWN = 90
"""Characters of an error that the page quotes."""

OURS = """
import json, sys
import hubmerge as hm
from hubmerge.hub.destination import Destination
for a, b, out in json.load(open(sys.argv[1])):
    try:
        recipe = hm.Recipe(models=(a, b), match="none", fuse="average", repair="none",
                           effort="quick", seed=0)
        hm.run(recipe, out=out)
        print(json.dumps([out, None]), flush=True)
    except BaseException as error:
        print(json.dumps([out, f"{type(error).__name__}: {error}"]), flush=True)
"""
THEIRS = """
import json, sys
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
for a, b, out in json.load(open(sys.argv[1])):
    try:
        models = [{"model": m, "parameters": {"weight": 0.5}} for m in (a, b)]
        said = {"merge_method": "linear", "models": models, "dtype": "float32"}
        run_merge(MergeConfiguration.model_validate(said), out, MergeOptions(copy_tokenizer=False))
        print(json.dumps([out, None]), flush=True)
    except BaseException as error:
        print(json.dumps([out, f"{type(error).__name__}: {error}"]), flush=True)
"""
VERSIONS = """
import importlib.metadata as m
there = {str(each.name).lower() for each in m.distributions()}
names = ("mergekit", "hubmerge", "transformers", "torch")
print(", ".join(f"{n} {m.version(n)}" for n in names if n in there))
"""


@dataclass(frozen=True)
class Result:
    """What a tool made of a pair. how: one of `WORDS`. why: in the tool's words."""

    kind: str
    tool: str
    how: str
    why: str = ""


WHOLE, PARTLY, BROKEN, REFUSED = "whole", "not all merged", "does not load whole", "no merge"
WORDS = {
    WHOLE: "it loads with every key, and every tensor in which the parents differ is their mean",
    PARTLY: "it loads with every key, but tensors are not the parents' mean",
    BROKEN: "a file is written that the class does not load with every key",
    REFUSED: "nothing is written: the tool refuses, or crashes",
}


def merge_all(python: str, code: str, pairs: list[tuple[str, str, str]]) -> dict[str, str | None]:
    """Folder -> the error it ended with, None of a merge; all by one process."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as given:
        json.dump(pairs, given)
        given.flush()
        done = subprocess.run(
            [python, "-c", code, given.name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    lines = [line for line in done.stdout.decode().splitlines() if line.startswith('["')]
    found = dict(json.loads(line) for line in lines)
    return {out: found.get(out, "the process ended") for _, _, out in pairs}


def looked_at(kind: str, tool: str, folder: Path, parents: list[Path], error: str | None) -> Result:
    """What stands in `folder`."""
    if error is not None:
        return Result(kind, tool, REFUSED, _shown(error, folder))
    made = getattr(transformers, KINDS[kind].name)
    try:
        model, said = made.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    except Exception as problem:
        return Result(kind, tool, BROKEN, _shown(f"{type(problem).__name__}: {problem}", folder))
    lost = sorted({str(k) for n in ("missing_keys", "mismatched_keys") for k in said[n]})
    if lost:
        return Result(kind, tool, BROKEN, f"{len(lost)} keys missing: {lost[0]}"[:SHOWN])
    own = [made.from_pretrained(parent).state_dict() for parent in parents]
    state = model.state_dict()
    off = [
        name
        for name, value in state.items()
        if value.is_floating_point()
        and not torch.allclose(value, (own[0][name] + own[1][name]) / 2, atol=1e-5, rtol=1e-4)
    ]
    if off:
        return Result(kind, tool, PARTLY, f"{len(off)} of {len(state)} tensors: {off[0]}"[:SHOWN])
    return Result(kind, tool, WHOLE)


def _shown(error: str, folder: Path) -> str:
    """The beginning of it, without the folder it was made in."""
    return " ".join(error.replace(f"{folder.parent}/", "").split())[:SHOWN]


def compared(names: Iterable[str], pythons: dict[str, tuple[str, str]], home: Path) -> list[Result]:
    """What every tool made of every kind. pythons: tool -> its Python, and the code it runs."""
    parents: dict[str, list[Path]] = {}
    for name in names:
        parents[name] = [home / name / letter for letter in "ab"]
        for seed, place in enumerate(parents[name], 1):
            KINDS[name].build(seed).save_pretrained(place)
    found = []
    for tool, (python, code) in pythons.items():
        outs = {name: home / name / tool for name in parents}
        pairs = [(*map(str, parents[name]), str(outs[name])) for name in parents]
        errors = merge_all(python, code, pairs)
        found += [
            looked_at(name, tool, outs[name], parents[name], errors[str(outs[name])])
            for name in parents
        ]
    return found


def page(found: list[Result], versions: dict[str, str]) -> str:
    """The table in Markdown, with how it was made."""
    tools = list(dict.fromkeys(one.tool for one in found))
    by = {(one.kind, one.tool): one for one in found}
    kinds = list(dict.fromkeys(one.kind for one in found))
    types = len({KINDS[kind].model_type for kind in kinds})
    said = [f"{tool} with {versions[tool]}" for tool in tools]
    lines = [
        "# Side by side with mergekit",
        "",
        f"{len(kinds)} kinds of tiny random models, of {types} model types, two of each, averaged",
        "without matching. A merge is *whole* where its class in transformers loads it with every",
        "key, and every tensor in which the parents differ is their mean.",
        "",
        "Made by `python benchmarks/beside_mergekit.py --mergekit PYTHON --page` on "
        f"{datetime.now(UTC):%Y-%m-%d},",
        f"{'; '.join(said)}.",
        "",
        f"| | {' | '.join(tools)} |",
        f"|:--|{'--:|' * len(tools)}",
    ]
    for how, words in WORDS.items():
        counts = [sum(by[kind, tool].how == how for kind in kinds) for tool in tools]
        lines.append(f"| **{how}**: {words} | {' | '.join(map(str, counts))} |")
    lines += ["", f"| kind | class | {' | '.join(tools)} |", f"|:--|:--|{':--|' * len(tools)}"]
    for kind in kinds:
        cells = [by[kind, tool] for tool in tools]
        shown = [
            one.how + (f": {one.why.replace('|', '/').replace('`', '')}" if one.why else "")
            for one in cells
        ]
        lines.append(f"| {kind} | {KINDS[kind].name} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Prints the table, and writes the page if asked to."""
    parser = common.arguments(__doc__)
    parser.add_argument("--mergekit", help="the Python of an environment with mergekit 0.1.5")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    pythons = {"hubmerge": (sys.executable, OURS)}
    if options.mergekit:
        pythons["mergekit"] = (options.mergekit, THEIRS)
    with tempfile.TemporaryDirectory() as home:
        found = compared(FEW if options.quick else KINDS, pythons, Path(home))
    for one in found:
        print(json.dumps(asdict(one)))
    for tool in pythons:
        print(tool, dict(Counter(one.how for one in found if one.tool == tool)))
    if options.page:
        versions = {
            tool: subprocess.run(
                [python, "-c", VERSIONS], capture_output=True, text=True, check=True
            ).stdout.strip()
            for tool, (python, _) in pythons.items()
        }
        PAGE.write_text(page(found, versions), encoding="utf-8")


if __name__ == "__main__":
    main()
