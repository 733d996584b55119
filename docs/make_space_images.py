"""Makes the pictures of docs/space.md: what the browser tests see, state by state.

python docs/make_space_images.py    # needs Chromium; takes some minutes
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
TESTS = ("tests/spaces_app/ui/test_browser.py", "tests/spaces_app/ui/test_accessibility.py")
COLOURS = 96
"""Enough for a page that is mostly one colour, at a third of the bytes."""


def main() -> int:
    """Exit code of the tests; pictures are kept only if all of them passed."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pytest", "-q", *TESTS]
        environment = {**os.environ, "HUBMERGE_PICTURES": place}
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        if code == 0:
            keep(Path(place))
    return code


def keep(place: Path) -> None:
    """Save the screenshots of a folder in fewer colours, and say how heavy the page is."""
    weight = place / "weight.json"
    if weight.is_file():
        said = json.loads(weight.read_text(encoding="utf-8"))
        print(
            f"first screen: {said['bytes'] / 1e6:.1f} MB in {said['requests']} requests, "
            f"first paint after {said['first_paint_ms'] / 1000:.1f} s"
        )
    for path in sorted(place.glob("[0-9]*.png")):
        picture = Image.open(path).convert("RGB").quantize(COLOURS)
        picture.save(IMAGES / f"space-{path.name}", optimize=True)
        print(f"made  space-{path.name}")


if __name__ == "__main__":
    sys.exit(main())
