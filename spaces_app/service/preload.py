"""What the fork server imports and reads once, so that no worker has to."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import hubmerge
from hubmerge.registry import allow_plugins

LIBRARIES = (
    "datasets",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "numba",
    "PIL.Image",
    "sklearn.linear_model",
    "threadpoolctl",
    "transformers.models.resnet.modeling_resnet",
    "transformers.models.vit.image_processing_pil_vit",
    "transformers.models.vit.modeling_vit",
)
"""Used by most jobs, and imported by hubmerge when they are used."""
UNUSED = ("cli", "demo", "localhub")
"""Packages of hubmerge that no job uses."""
PRECISIONS = ("float32", "float64")


def modules() -> Iterator[str]:
    """Names of all modules of hubmerge that jobs may use."""
    root = Path(hubmerge.__file__).parent
    for path in sorted(root.rglob("*.py")):
        first, *_ = parts = path.relative_to(root).with_suffix("").parts
        if first not in UNUSED:
            yield ".".join(("hubmerge", *parts)).removesuffix(".__init__")


def preload() -> None:
    """Imports what jobs use and reads what is the same for all. Lets no plugin in."""
    from hubmerge.assignment.compiled import kernels_for
    from hubmerge.specs.family import load_families

    gc.disable()  # all of it stays, and what the collector looks at a worker has to copy
    allow_plugins(())
    for name in (*LIBRARIES, *modules()):
        import_module(name)
    for precision in PRECISIONS:
        kernels_for(precision)
    load_families()
    gc.freeze()
    gc.enable()


with suppress(ImportError):  # then the worker that needs it says what is missing
    preload()
