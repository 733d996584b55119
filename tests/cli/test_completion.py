"""Help and shell completion: what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("hubmerge")


def complete(shell: str, line: str) -> str:
    """What the shell is offered at the end of a command line."""
    words = line.split(" ")
    environment = {
        "_HUBMERGE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [SCRIPT], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_names_and_choices_are_completed(shell: str) -> None:
    assert "--fuse-option" in complete(shell, "hubmerge merge --fus")
    offered = complete(shell, "hubmerge merge --fuse t")
    for name in ("ties", "task-arithmetic", "twa"):
        assert name in offered
    assert "slerp" not in offered


def test_help_of_merge_has_the_most_needed_first_and_ends_with_examples() -> None:
    done = subprocess.run([SCRIPT, "merge", "--help"], capture_output=True, text=True, check=True)
    panels = [line for line in done.stdout.splitlines() if line.startswith("╭")]
    named = [panel.strip("╭─╮ ") for panel in panels]
    assert named[:2] == ["Arguments", "Most needed"]
    assert named[2:] == ["Models and method", "Data", "Measuring", "Where it goes", "Output"]
    end = done.stdout.partition("Examples:")[2]
    assert end.count("hubmerge merge") == 3
