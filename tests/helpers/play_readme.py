"""Plays README.md in one process: every `hubmerge` command and every python block, in order.

Each block gets an empty working directory. Whatever fails ends it.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

from hubmerge.cli import main
from tests.helpers.pages import MARKDOWN, README, Block

IDS = {"ORG/A": "me/left", "ORG/B": "me/right", "ORG/C": "me/both-at-once", "ORG/D": "me/data"}
"""Ids a reader puts their own for -> repositories of the Hub this is played on."""


def command(line: str) -> None:
    """Runs one command line if it is ours; raises SystemExit if it fails."""
    words = [IDS.get(word, word) for word in shlex.split(line, comments=True)]
    given = {}
    while variable := re.fullmatch(r"([A-Z_]+)=(\S+)", words[0]):
        given[variable[1]] = variable[2]
        words.pop(0)
    if words[0] != "hubmerge":
        return
    print(f"$ {line}", flush=True)
    sys.argv = words
    os.environ.update(given)
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    finally:
        for name in given:
            del os.environ[name]


def play(block: Block) -> None:
    """Runs a block in a folder of its own, which holds a folder for further families."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("my-specs").mkdir()
        if block.language == "console":
            for line, _ in block.sessions():
                command(line)
        elif block.language == "python":
            print(f">>> {block}", flush=True)
            exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})
        os.chdir("/")


if __name__ == "__main__":
    for token in MARKDOWN.parse(README.read_text(encoding="utf-8")):
        if token.type == "fence" and token.map:
            play(Block(README, token.map[0] + 1, token.info, token.content))
    print("played to the end", flush=True)
