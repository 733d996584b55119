"""What the source of a method says of it, read by `ast` without importing it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Description:
    """What the source of a method says of it, read without importing it.

    summary: first line of the docstring. settings: the decorator's keyword arguments, constants as
    they are and names as strings. parameters: of the function, by name.
    """

    summary: str
    decorator: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Where the method is described: arXiv numbers and sections."""
        return str(self.settings.get("source", ""))


@lru_cache(maxsize=512)
def described(path: Path, decorators: tuple[str, ...]) -> Description:
    """What a file says of the method it registers: its function's docstring and decorator."""
    path = path / "__init__.py" if path.is_dir() else path
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        comment = [line.lstrip("# ") for line in text.split("\n\n", 1)[0].splitlines()]
        return Description(" ".join(comment))
    tree = ast.parse(text, str(path))
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for each in node.decorator_list:
            call = each if isinstance(each, ast.Call) else None
            called = _name_of(call.func if call else each)
            if called in decorators:
                return Description(
                    _first_line(node),
                    called,
                    {k.arg: _constant(k.value) for k in call.keywords if k.arg} if call else {},
                    _parameters(node),
                )
    return Description(_stated(tree, decorators) or _first_line(tree))


def _stated(tree: ast.Module, decorators: tuple[str, ...]) -> str:
    """The `summary=` of what a file registers by a call instead of a decorator."""
    calls = (node.value for node in tree.body if isinstance(node, ast.Assign | ast.Expr))
    for call in calls:
        if isinstance(call, ast.Call) and _name_of(call.func) in decorators:
            for each in ast.walk(call):
                if isinstance(each, ast.keyword) and each.arg == "summary":
                    return str(_constant(each.value))
    return ""


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _constant(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _name_of(node) or ast.unparse(node)


def _parameters(node: ast.AST) -> tuple[str, ...]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ()
    args = node.args
    return tuple(each.arg for each in (*args.posonlyargs, *args.args, *args.kwonlyargs))
