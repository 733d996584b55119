"""The registries that there are."""

from __future__ import annotations

from typing import Any

from hubmerge.errors import FamilyError, SpecError
from hubmerge.registry.base import Registry

_REGISTRIES: dict[str, Registry[Any]] = {
    each.name: each
    for each in (
        Registry[Any](
            "matchers",
            noun="matcher",
            folder="matching/methods",
            decorators=("matcher", "learner"),
            words=("auto", "none"),
        ),
        Registry[Any](
            "multi_matchers",
            noun="multi-matcher",
            folder="matching/multi/methods",
            decorators=("multi_matcher",),
            words=("auto",),
        ),
        Registry[Any](
            "fusions",
            noun="fusion",
            folder="fuse/methods",
            decorators=("fusion",),
            first=("average",),
            words=("auto",),
            aliases={"linear": "average", "dare-linear": "dare"},
        ),
        Registry[Any](
            "corrections",
            noun="correction",
            folder="fuse/corrections",
            decorators=("correction",),
            first=("svc",),
        ),
        Registry[Any](
            "repairs",
            noun="repair",
            folder="repair/methods",
            decorators=("repair",),
            words=("auto", "none"),
        ),
        Registry[Any](
            "curves", noun="curve", folder="landscape/curves/methods", decorators=("curve",)
        ),
        Registry[Any]("tasks", noun="task", folder="tasks", decorators=("register",)),
        Registry[Any](
            "families",
            noun="family",
            folder="model_specs",
            suffix=".toml",
            reader="hubmerge.specs.family:read_family",
            variable="HUBMERGE_SPECS",
            missing=FamilyError,
            broken=SpecError,
        ),
    )
}


def registry(name: str) -> Registry[Any]:
    """The registry called `name`: "matchers", "fusions", ... Raises: KeyError, if there is none."""
    return _REGISTRIES[name]


def registries() -> tuple[Registry[Any], ...]:
    """All of them."""
    return tuple(_REGISTRIES.values())
