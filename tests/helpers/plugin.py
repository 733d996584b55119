"""The plugin that docs/plugins.md writes, installed into a folder of its own."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = "hubmerge_extras"


def blocks(page: str) -> dict[str, str]:
    """File -> content, of the blocks of code that begin with a comment naming their file."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"```(?:python|toml)\n# (\S+\.(?:py|toml))\n(.*?)```", text, re.DOTALL)
    return dict(found)


def install(folder: Path) -> Path:
    """Installs it as pip would: its files, and metadata with its entry points. Returns `folder`."""
    files = blocks("plugins.md")
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    family = blocks("spec.md")["my-specs/ijepa.toml"]
    (folder / PACKAGE / "ijepa.toml").write_text(family, encoding="utf-8")
    metadata = folder / f"{PACKAGE}-{project['version']}.dist-info"
    metadata.mkdir()
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")
    lines = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(lines, encoding="utf-8")
    return folder


def entry_points() -> dict[str, list[str]]:
    """Registry -> names that the plugin adds to it."""
    project = tomllib.loads(blocks("plugins.md")["pyproject.toml"])["project"]
    return {
        group.removeprefix("hubmerge."): list(named)
        for group, named in project["entry-points"].items()
    }
