"""Code in the pages compiles, its names exist, and its commands are ones there are."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import signal
import sys

import pytest
import typer

import hubmerge
from hubmerge.cli import app, main
from hubmerge.errors import exit_codes
from tests.helpers.pages import ROOT, Block, all_blocks

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("block", all_blocks("python"), ids=str)
def test_python_names_what_exists(block: Block) -> None:
    tree = ast.parse(block.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hubmerge"):
            module = importlib.import_module(str(node.module))
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "hm":
            assert hasattr(hubmerge, node.attr)


def commands() -> list[tuple[str, str]]:
    """(where, command) of every line behind a prompt."""
    return [(str(block), line) for block in all_blocks("console") for line, _ in block.sessions()]


@pytest.mark.parametrize(("where", "line"), commands(), ids=lambda each: each)
def test_commands_are_understood(where: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    while re.fullmatch(r"[A-Z_]+=\S+", words[0]):
        words.pop(0)
    if words[0] == "make":
        assert set(words[1:]) <= set(TARGETS)
    elif words[0] == "hubmerge":
        understand(words[1:])
    elif "hubmerge.cli" in words:
        understand(words[words.index("hubmerge.cli") + 1 :])
    else:
        assert words[0] in {"python3", "pip", ".venv/bin/pip", ".venv/bin/python"}


def understand(words: list[str]) -> None:
    """Parses a command line of ours as far as it goes without doing anything."""
    command, path = typer.main.get_command(app), []
    while hasattr(command, "commands"):
        if command.invoke_without_command and not (words and words[0] in command.commands):
            break
        path.append(words[0])
        command, words = command.commands[words[0]], words[1:]
    command.make_context(" ".join(path), list(words))


def shown() -> list[tuple[str, str]]:
    """Commands of ours whose output stands below them, on the page about errors."""
    blocks = [block for block in all_blocks("console") if block.page.name == "errors.md"]
    return [(line, said) for block in blocks for line, said in block.sessions() if said]


@pytest.mark.parametrize(("line", "said"), shown())
def test_the_errors_shown_are_real(
    line: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    with pytest.raises(SystemExit) as end:
        main()
    name = said.partition(":")[0]
    assert end.value.code == exit_codes()[name][0]
    assert capsys.readouterr().err == said
