"""What the fork server imports ahead: every module of hubmerge that a job may come to."""

from __future__ import annotations

from importlib.util import find_spec

from spaces_app.service.preload import UNUSED, modules


def test_every_module_of_a_job_is_there() -> None:
    names = list(modules())
    assert {"hubmerge", "hubmerge.pipeline.run", "hubmerge.fuse.methods.ties"} <= set(names)
    assert not [name for name in names if name.split(".")[1:2] and name.split(".")[1] in UNUSED]
    assert all(find_spec(name) for name in names)
