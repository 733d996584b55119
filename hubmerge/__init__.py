"""hubmerge: merge independently trained Hub models, and measure honestly how good the merge is.

    import hubmerge as hm
    a, b = hm.load("me/left"), hm.load("me/right")
    found = hm.match(a, b, by="weights")
    merged = hm.merge(a, found.apply(b), t=0.5)
    print(hm.report(merged, found))

or all of it, measured and written: `hm.run(hm.Recipe(models=("me/left", "me/right")))`.
"""

from __future__ import annotations

import difflib
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "load": "hubmerge.api",
    "match": "hubmerge.api",
    "merge": "hubmerge.api",
    "report": "hubmerge.api",
    "Found": "hubmerge.api",
    "Merged": "hubmerge.api",
    "run": "hubmerge.pipeline.run",
    "plan": "hubmerge.pipeline.plan",
    "Destination": "hubmerge.hub.destination",
    "MergeResult": "hubmerge.pipeline.merge_result",
    "DataRecipe": "hubmerge.recipe",
    "Recipe": "hubmerge.recipe",
    "diagnose": "hubmerge.surveys.diagnose",
    "find_path": "hubmerge.surveys.path",
    "find_plane": "hubmerge.surveys.plane",
    "find_simplex": "hubmerge.surveys.simplex",
    "survey_complex": "hubmerge.surveys.complex",
    "read_recipe": "hubmerge.recipe",
    "verify": "hubmerge.verification",
    "Verification": "hubmerge.verification",
}
"""Public name -> where it lives; looked up when first used. `__init__.pyi` says the same to type
checkers and editors."""

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        near = difflib.get_close_matches(name, __all__)
        maybe = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise AttributeError(f"module 'hubmerge' has no attribute {name!r}{maybe}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion; nothing of them is imported."""
    return __all__


_is_command = sys.argv[:1] == ["-m"] or Path(*sys.argv[:1]).stem == "hubmerge"
if not _is_command:
    # Cards of MLP heads promise that `import hubmerge` is enough to load them. The command line
    # registers them when it loads a model, so that --help does not wait for torch.
    import_module("hubmerge.models")
