"""Which installed plugins the app uses: those its owner names, and none by default."""

from __future__ import annotations

import os

from hubmerge.errors import RecipeError
from hubmerge.registry import allow_plugins, installed_plugins

VARIABLE = "HUBMERGE_PLUGINS"
"""Environment variable that names packages, separated by commas."""


def allow_named_plugins() -> None:
    """Lets only the named plugins into this process. Every process of the app calls it.

    Raises: RecipeError, if one of them is not installed.
    """
    named = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    allow_plugins(())
    installed = installed_plugins()
    absent = [name for name in named if name not in installed]
    if absent:
        raise RecipeError(
            f"{VARIABLE}={os.environ[VARIABLE]}",
            found=f"not installed, or no plugins of hubmerge: {', '.join(absent)}",
            hint=f"installed plugins: {', '.join(installed) or 'none'}",
        )
    allow_plugins(named)
