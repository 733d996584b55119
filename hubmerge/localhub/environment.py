"""What a process has to know to be a client of an embedded Hub."""

from __future__ import annotations

import os
from pathlib import Path

LOOPBACK = "127.0.0.1"


def client_environment(url: str, token: str, home: Path) -> dict[str, str]:
    """This process's environment, its Hub settings replaced by those for the Hub at `url`."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("HF_", "HUGGING_FACE_"))}
    kept.pop("TRANSFORMERS_OFFLINE", None)
    hosts = f"{LOOPBACK},localhost"
    return kept | {
        "HF_ENDPOINT": url,
        "HF_TOKEN": token,
        "HF_HOME": str(home),
        # The server has LFS only, and the client would try Xet.
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "DISABLE_SAFETENSORS_CONVERSION": "1",
        "NO_PROXY": hosts,
        "no_proxy": hosts,
    }
