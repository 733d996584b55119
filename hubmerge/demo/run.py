"""`hubmerge demo`: the whole way on one machine, over real HTTP and with the real commands.

An embedded Hub starts on loopback, two parents per family are trained on the digits and pushed to
it with Hugging Face's own `hf upload`, and `hubmerge merge` does the rest as for any user.
What is there already is not made again, and every folder appears in one step, so the demo can be
stopped at any point and started again.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import datasets
import transformers

from hubmerge.demo.digits import digits, write_digits
from hubmerge.demo.train import COURSES, SEEDS, Course, write_parent
from hubmerge.errors import INTERRUPTED, RecipeError
from hubmerge.localhub import DEFAULT_PORT, EmbeddedHub
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.text import render_text

NAMESPACE = "demo"
DATASET = f"{NAMESPACE}/digits"
PATIENCE = 20
"""Seconds a command may take to tidy up after Ctrl-C."""

HF = (sys.executable, "-m", "huggingface_hub.cli.hf")
HUBMERGE = (sys.executable, "-m", "hubmerge.cli")


@dataclass(frozen=True)
class DemoStep:
    """Where one demo takes place."""

    out: Path
    hub: EmbeddedHub

    def environment(self) -> dict[str, str]:
        """For commands: their Hub is the embedded one, and nothing else is asked."""
        own = self.hub.environment(home=self.out / "home")
        return own | {"HF_HUB_DISABLE_UPDATE_CHECK": "1"}

    def folder(self, repo: str) -> Path:
        """Where a repository's files lie before they are pushed."""
        return self.out / repo

    def page(self, repo: str) -> str:
        """Address of a model's page."""
        return f"{self.hub.url}/{repo}"


def run_demo(out: Path, *, serve: bool = False, courses: Sequence[Course] = COURSES) -> int:
    """Play the demo in `out`; returns the exit code of the command that failed, or 0.

    serve: keep the Hub up at the end until Ctrl-C, so that its pages can be looked at.
    The bars of `datasets` and `transformers` are off in this process afterwards: they last an
    instant here, and ours say more.
    """
    out = out.expanduser().resolve()
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    try:
        with _hub(out / "hub") as hub:
            stage = DemoStep(out, hub)
            print(f"Embedded Hub at {hub.url}, data in {hub.root}", flush=True)
            prepare(stage, courses)
            for course in courses:
                merge(stage, course)
            _show(stage, courses)
            if serve:
                _serve(hub)
            else:
                _how_to_look(hub)
    except subprocess.CalledProcessError as error:
        print(f"\nThe demo stops here: this command failed ({error.returncode}).", file=sys.stderr)
        return error.returncode
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return INTERRUPTED
    return 0


def prepare(stage: DemoStep, courses: Sequence[Course]) -> None:
    """Data set and parents, made where they are missing, and pushed."""
    folder = stage.folder(DATASET)
    if not folder.exists():
        unfinished = folder.with_name(f".{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        write_digits(unfinished).rename(folder)
    push(stage, DATASET, "dataset")
    splits = digits()
    for course in courses:
        for letter, seed in SEEDS.items():
            repo = parent(course, letter)
            if not stage.folder(repo).exists():
                write_parent(stage.folder(repo), course, seed, splits, repo=repo, dataset=DATASET)
            push(stage, repo, "model")


def push(stage: DemoStep, repo: str, kind: str) -> None:
    """`hf upload`, which leaves out what the Hub has already."""
    command = ["upload", repo, str(stage.folder(repo)), ".", "--repo-type", kind, "--quiet"]
    _run(stage, "hf", HF, command)


def merge(stage: DemoStep, course: Course) -> None:
    """`hubmerge merge` of a family's two parents; a finished merge is only pushed again."""
    target = merged(course)
    folder = stage.folder(target)
    if (folder / "report.json").exists():
        return _run(stage, "hubmerge", HUBMERGE, ["push", str(folder), target, "--exist-ok"])
    options = ["--dataset", DATASET, "--push", target, "--exist-ok"]
    parents = [parent(course, letter) for letter in SEEDS]
    _run(stage, "hubmerge", HUBMERGE, ["merge", *parents, *options, "-o", str(folder)])


def parent(course: Course, letter: str) -> str:
    """Repository of one parent."""
    return f"{NAMESPACE}/digits-{course.name}-{letter}"


def merged(course: Course) -> str:
    """Repository of the merge."""
    return f"{NAMESPACE}/digits-{course.name}-merged"


def _show(stage: DemoStep, courses: Sequence[Course]) -> None:
    for course in courses:
        target = merged(course)
        folder = stage.folder(target)
        print(f"\n{'=' * 78}\n{target}\n")
        print(render_text(Report.read(folder)))
        print(f"\npage  {stage.page(target)}")
        print(f"card  {folder / 'README.md'}")
        print(f"plot  {folder / 'barrier.png'}", flush=True)


def _serve(hub: EmbeddedHub) -> None:
    print(f"\nThe Hub stays at {hub.url} until Ctrl-C.", flush=True)
    with suppress(KeyboardInterrupt):
        hub.wait()


def _how_to_look(hub: EmbeddedHub) -> None:
    serve = ["hubmerge", "hub", "serve", "--root", _short(hub.root)]
    port = int(hub.url.rpartition(":")[2])
    if port != DEFAULT_PORT:
        serve += ["--port", str(port)]
    print(f"\nTo see the pages, run\n  {shlex.join(serve)}", flush=True)


@contextmanager
def _hub(root: Path) -> Iterator[EmbeddedHub]:
    """The Hub at its usual address, so that links in cards stay good; else at a free one."""
    hub = EmbeddedHub(root, DEFAULT_PORT)
    try:
        hub.start()
    except RecipeError:
        hub = EmbeddedHub(root)
        hub.start()
    try:
        yield hub
    finally:
        hub.stop()


def _run(stage: DemoStep, name: str, program: Sequence[str], arguments: Sequence[str]) -> None:
    """Show a command and run it; raises CalledProcessError. Ctrl-C reaches the command as well."""
    shown = [_short(Path(word)) if os.path.isabs(word) else word for word in arguments]
    print(f"\n$ {name} {shlex.join(shown)}", flush=True)
    command = [*program, *arguments]
    with subprocess.Popen(command, env=stage.environment()) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=PATIENCE)
            process.kill()
            raise
    if code:
        raise subprocess.CalledProcessError(code, command)


def _short(path: Path) -> str:
    """`path` as seen from the working directory, where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
