"""This installation of hubmerge as a wheel, whether it was installed from one or runs from source.

The same files give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

from hubmerge.specs.family import load_families

TAG = "py3-none-any"
GENERATOR = "Wheel-Version: 1.0\nGenerator: hubmerge\nRoot-Is-Purelib: true\nTag: {}\n"
PACKAGES = ("hubmerge", "spaces_app")
METADATA = ("METADATA", "entry_points.txt")


def write_wheel(folder: Path) -> Path:
    """Write the wheel into `folder`, and return its path."""
    found = distribution("hubmerge")
    name = f"hubmerge-{found.version}"
    wheel = folder / f"{name}-{TAG}.whl"
    info = f"{name}.dist-info"
    contents = dict(_sources())
    for file in METADATA:
        contents[f"{info}/{file}"] = (found.read_text(file) or "").encode()
    contents[f"{info}/WHEEL"] = GENERATOR.format(TAG).encode()
    record = f"{info}/RECORD"
    lines = [_recorded(path, content) for path, content in sorted(contents.items())]
    contents[record] = "".join([*lines, f"{record},,\n"]).encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(contents.items()):
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return wheel


def _sources() -> Iterator[tuple[str, bytes]]:
    """Path in the wheel -> content, of both packages and the families' specs."""
    for folder in filter(None, map(_folder, PACKAGES)):
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and "__pycache__" not in inside.parts:
                yield f"{folder.name}/{inside.as_posix()}", path.read_bytes()
    for family in load_families().families.values():
        if family.shipped:
            yield f"hubmerge/model_specs/{family.path.name}", family.path.read_bytes()


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _recorded(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}\n"
