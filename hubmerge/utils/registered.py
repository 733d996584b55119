"""The names in a registry with what each means, read without importing any method."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "matchers": "matching/methods",
    "multi_matchers": "matching/multi/methods",
    "fusions": "fuse/methods",
    "repairs": "repair/methods",
    "curves": "landscape/curves/methods",
}
"""Registry -> the folder of its methods: functions under a decorator that has their name."""


@cache
def registered(registry: str) -> dict[str, str]:
    """Name -> first line of the docstring of everything in the registry of this name."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / FOLDERS[registry]).glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and (name := _name(node)):
                found[name] = (ast.get_docstring(node) or "").partition("\n")[0]
    return found


def _name(function: ast.FunctionDef) -> str | None:
    """The name that its decorator registers it under."""
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and decorator.args:
            first = decorator.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                return first.value
    return None
