"""`hubmerge demo`: train, push and merge on one machine, over real HTTP and with the real commands.

An embedded Hub starts on loopback, two parents per family are trained on the digits and pushed to
it with `hf upload`, and `hubmerge merge` merges them. Existing results are kept, and every folder
is created in one step, so the demo can be interrupted and resumed.
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
from hubmerge.demo.train import PARENT_CONFIGS, SEEDS, ParentConfig, write_parent
from hubmerge.errors import INTERRUPTED, RecipeError
from hubmerge.errors.wording import PYTHON, Wording
from hubmerge.localhub import DEFAULT_PORT, EmbeddedHub
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.text import render_text

NAMESPACE = "demo"
DATASET = f"{NAMESPACE}/digits"
SHUTDOWN_SECONDS = 20
"""Seconds a command may take to exit after Ctrl-C."""

HF = (sys.executable, "-m", "huggingface_hub.cli.hf")
HUBMERGE = (sys.executable, "-m", "hubmerge.cli")


@dataclass(frozen=True)
class DemoContext:
    """Output folder and Hub of one demo."""

    out: Path
    hub: EmbeddedHub

    def environment(self) -> dict[str, str]:
        """Environment of the commands, which talk to the embedded Hub only."""
        own = self.hub.environment(home=self.out / "home")
        return own | {"HF_HUB_DISABLE_UPDATE_CHECK": "1"}

    def folder(self, repo: str) -> Path:
        """Local folder of a repository."""
        return self.out / repo

    def page(self, repo: str) -> str:
        """URL of a model's page."""
        return f"{self.hub.url}/{repo}"


def run_demo(
    out: Path,
    *,
    serve: bool = False,
    configs: Sequence[ParentConfig] = PARENT_CONFIGS,
    wording: Wording = PYTHON,
) -> int:
    """Run the demo in `out`; returns the exit code of the command that failed, or 0.

    serve: keep the Hub running at the end until Ctrl-C. wording: how the report cards that are
    printed name options.
    The progress bars of `datasets` and `transformers` stay off in this process.
    """
    out = out.expanduser().resolve()
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    try:
        with _hub(out / "hub") as hub:
            context = DemoContext(out, hub)
            print(f"Embedded Hub at {hub.url}, data in {hub.root}", flush=True)
            prepare(context, configs)
            for config in configs:
                merge(context, config)
            _show(context, configs, wording)
            if serve:
                _serve(hub)
            else:
                _print_serve_command(hub)
    except subprocess.CalledProcessError as error:
        print(f"\nThe demo stops here: this command failed ({error.returncode}).", file=sys.stderr)
        return error.returncode
    except KeyboardInterrupt:
        print("\nStopped. The same command resumes the demo.", file=sys.stderr)
        return INTERRUPTED
    return 0


def prepare(context: DemoContext, configs: Sequence[ParentConfig]) -> None:
    """Make the missing data set and parents, and push them."""
    folder = context.folder(DATASET)
    if not folder.exists():
        unfinished = folder.with_name(f".{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        write_digits(unfinished).rename(folder)
    push(context, DATASET, "dataset")
    splits = digits()
    for config in configs:
        for letter, seed in SEEDS.items():
            repo = parent(config, letter)
            if not context.folder(repo).exists():
                write_parent(context.folder(repo), config, seed, splits, repo=repo, dataset=DATASET)
            push(context, repo, "model")


def push(context: DemoContext, repo: str, kind: str) -> None:
    """Run `hf upload`, which skips what the Hub has."""
    command = ["upload", repo, str(context.folder(repo)), ".", "--repo-type", kind, "--quiet"]
    _run(context, "hf", HF, command)


def merge(context: DemoContext, config: ParentConfig) -> None:
    """Run `hubmerge merge` on a family's parents; a finished merge is only pushed again."""
    target = merged(config)
    folder = context.folder(target)
    if (folder / "report.json").exists():
        return _run(context, "hubmerge", HUBMERGE, ["push", str(folder), target, "--exist-ok"])
    options = ["--dataset", DATASET, "--samples", "all", "--push", target, "--exist-ok"]
    parents = [parent(config, letter) for letter in SEEDS]
    _run(context, "hubmerge", HUBMERGE, ["merge", *parents, *options, "-o", str(folder)])


def parent(config: ParentConfig, letter: str) -> str:
    """Repository of one parent."""
    return f"{NAMESPACE}/digits-{config.name}-{letter}"


def merged(config: ParentConfig) -> str:
    """Repository of the merge."""
    return f"{NAMESPACE}/digits-{config.name}-merged"


def _show(context: DemoContext, configs: Sequence[ParentConfig], wording: Wording) -> None:
    for config in configs:
        target = merged(config)
        folder = context.folder(target)
        print(f"\n{'=' * 78}\n{target}\n")
        print(render_text(Report.read(folder), wording=wording))
        print(f"\npage  {context.page(target)}")
        print(f"card  {folder / 'README.md'}")
        print(f"plot  {folder / 'barrier.png'}", flush=True)


def _serve(hub: EmbeddedHub) -> None:
    print(f"\nThe Hub stays at {hub.url} until Ctrl-C.", flush=True)
    with suppress(KeyboardInterrupt):
        hub.wait()


def _print_serve_command(hub: EmbeddedHub) -> None:
    serve = ["hubmerge", "hub", "serve", "--root", _short(hub.root)]
    port = int(hub.url.rpartition(":")[2])
    if port != DEFAULT_PORT:
        serve += ["--port", str(port)]
    print(f"\nTo see the pages, run\n  {shlex.join(serve)}", flush=True)


@contextmanager
def _hub(root: Path) -> Iterator[EmbeddedHub]:
    """The Hub at its default port, so that links in cards stay valid; else at a free port."""
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


def _run(context: DemoContext, name: str, program: Sequence[str], arguments: Sequence[str]) -> None:
    """Show a command and run it; raises CalledProcessError. Ctrl-C reaches the command as well."""
    shown = [_short(Path(word)) if os.path.isabs(word) else word for word in arguments]
    print(f"\n$ {name} {shlex.join(shown)}", flush=True)
    command = [*program, *arguments]
    with subprocess.Popen(command, env=context.environment()) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=SHUTDOWN_SECONDS)
            process.kill()
            raise
    if code:
        raise subprocess.CalledProcessError(code, command)


def _short(path: Path) -> str:
    """`path` as seen from the working directory, where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
