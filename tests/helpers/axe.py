"""axe-core, which finds what keeps people with disabilities from using a page."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.helpers.browser import PageVisitor

VERSION = "4.14.1"
SCRIPT = "package/axe.min.js"
GRAVE = ("serious", "critical")
RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(
  (each) => ({id: each.id, impact: each.impact, help: each.help,
              nodes: each.nodes.map((node) => `${node.target} ${node.html.slice(0, 160)}`)}))
"""


def axe_script(place: Path) -> str:
    """The script, by npm from its registry; without that, these tests say so and are left out."""
    kept = os.environ.get("HUBMERGE_AXE")
    if kept:
        return Path(kept).read_text(encoding="utf-8")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("NO NPM: the pages were not audited. apt-get install npm")
    packed = subprocess.run(
        [npm, "pack", "--silent", f"axe-core@{VERSION}"],
        cwd=place,
        capture_output=True,
        timeout=120,
        check=False,
    )
    archive = place / f"axe-core-{VERSION}.tgz"
    if packed.returncode or not archive.is_file():
        pytest.skip(f"NO AXE: npm has no axe-core {VERSION} here; the pages were not audited")
    with tarfile.open(archive) as opened:
        found = opened.extractfile(SCRIPT)
        assert found is not None
        return found.read().decode()


def grave_faults(visitor: PageVisitor, script: str) -> list[str]:
    """What is seriously or critically wrong with the page as it stands, a line each."""
    visitor.page.evaluate(script)
    return [
        f"{each['impact']} {each['id']} ({each['help']}): {node}"
        for each in visitor.page.evaluate(RUN)
        if each["impact"] in GRAVE
        for node in each["nodes"][:4]
    ]
