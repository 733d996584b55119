"""A process that has imported everything, and forks one child per command line.

Starting Python with torch and transformers takes seconds; a fork takes none. Each child is what
`hubmerge` is to a shell: its own process, arguments, environment, working directory and signals.

Speaks JSON lines: a request in; the children's pids out, then their exit codes. There are several
children where a command is to run on several processes: one per rank, as torchrun starts them.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from typing import Any

SCRIPTS = ("hubmerge.cli.__main__",)
"""Modules that do their work when they are imported."""

CANNOT_MOUNT = 77
"""Exit code of a child that was to see other disks, on a machine that does not allow it."""

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT, _BIND = 1, 32, 4096
_LOCKED = 2 | 4 | 8 | 1024 | 2048
"""What a mount may be that one in a namespace has to stay: nosuid, nodev, noexec, noatime."""


def serve() -> None:
    _import_everything()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        children = []
        for own in request["ranks"]:
            pid = os.fork()
            if pid == 0:
                _become(request, own)
            children.append(pid)
        print(json.dumps({"pids": children}), flush=True)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        print(json.dumps({"codes": codes}), flush=True)


WANTED = (
    "matplotlib.pyplot",
    "rich.console",
    "threadpoolctl",
    "transformers.models.resnet.modeling_resnet",
    "transformers.models.vit.image_processing_pil_vit",
    "transformers.models.vit.modeling_vit",
)
"""Imported by some command, besides the modules of hubmerge."""


def _import_everything() -> None:
    gc.disable()  # all of it stays
    import hubmerge

    own = pkgutil.walk_packages(hubmerge.__path__, "hubmerge.")
    for name in [*(module.name for module in own if module.name not in SCRIPTS), *WANTED]:
        importlib.import_module(name)
    # What these look up is the same for every command.
    classes = sys.modules["hubmerge.hub.model_class"]
    classes._auto_classes()  # type: ignore[attr-defined]
    mapping = importlib.import_module("transformers.conversion_mapping")
    mapping.get_checkpoint_conversion_mapping("vit")
    solver = sys.modules["hubmerge.assignment.solver"]
    for precision in ("float32", "float64"):
        solver._kernels(precision)  # type: ignore[attr-defined]
    templates = sys.modules["hubmerge.reporting.templating"].environment()
    for name in templates.list_templates():
        templates.get_template(name)
    sys.modules["hubmerge.specs.family"].load_families()
    _prepare_parameters(sys.modules["hubmerge.cli"].program())  # type: ignore[attr-defined]
    importlib.import_module("PIL.Image").init()
    example = importlib.import_module("tests.helpers.example_report").example()
    sys.modules["hubmerge.reporting.pictures"].pictures(example)  # fonts, and other first things
    gc.freeze()  # what a child collects it would first have to copy
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


def _prepare_parameters(command: Any) -> None:
    """What typer makes of each parameter when it is first given."""
    for parameter in command.params:
        if hasattr(parameter, "get_runtime_param"):
            parameter.get_runtime_param()
    for part in getattr(command, "commands", {}).values():
        _prepare_parameters(part)


def _become(request: dict[str, Any], own: dict[str, str]) -> None:
    code = 1
    try:
        null, out, err = (
            os.open(request[name], os.O_RDWR | os.O_CREAT | os.O_APPEND)
            for name in ("stdin", "stdout", "stderr")
        )
        for stream, file in enumerate((null, out, err)):
            os.dup2(file, stream)
        os.chdir(request["cwd"])
        os.environ.update(request["env"] | own)
        for mount in request["mounts"]:
            code = CANNOT_MOUNT
            _mount(**mount)
        code = _run(request)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(request: dict[str, Any]) -> int:
    import hubmerge.cli
    from hubmerge.hub import client

    if request["patience"] is not None:
        client.PATIENCE = tuple(request["patience"])
    sys.argv = ["hubmerge", *request["arguments"]]
    try:
        if request["code"] is None:
            hubmerge.cli.main()
        else:
            exec(request["code"], {"__name__": "__main__"})
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _mount(source: str, at: str, kind: str, options: str) -> None:
    """Mounts in a namespace of the child's own, unseen elsewhere; it ends with the child."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if Path("/proc/self/uid_map").read_text().split()[2] != "1":
        _check(libc.unshare(_NEWUSER | _NEWNS))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    flags = _BIND if kind == "bind" else 0
    _check(libc.mount(source.encode(), at.encode(), kind.encode(), flags, options.encode()))
    if kind == "bind" and options == "ro":
        kept = os.statvfs(at).f_flag & _LOCKED
        _check(libc.mount(None, at.encode(), None, _REMOUNT | _BIND | _READ_ONLY | kept, None))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    serve()
    os._exit(0)
