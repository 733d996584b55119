"""Entry points: `hubmerge app`, and the Space."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path


def run(port: int, *, embedded: bool = False, root: Path | None = None) -> None:
    """Serve on this machine until Ctrl-C."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from spaces_app.embedded import with_embedded_hub
    from spaces_app.host import default_root, this_host
    from spaces_app.server import serve

    if not embedded:
        host = this_host()
        return serve(replace(host, root=root) if root else host, port or None)
    with with_embedded_hub((root or default_root() / "embedded").expanduser().resolve()) as host:
        serve(host, port or None, greet=f"\nembedded Hub at {os.environ['HF_ENDPOINT']}")


def on_space() -> None:
    """Serve publicly, at the address a Space expects."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from spaces_app.host import this_host
    from spaces_app.server import serve

    serve(this_host(), 7860, name="0.0.0.0")
