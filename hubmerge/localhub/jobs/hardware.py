"""The machines that the embedded Hub names: those of the Hub's price list that have no accelerator.

Source: https://huggingface.co/docs/hub/jobs-pricing. Nothing is charged here, and every job has
the whole of this machine.
"""

from __future__ import annotations

from typing import Any

_FLAVORS = {
    "cpu-basic": ("CPU Basic", 2, 16, 50, 0.01),
    "cpu-upgrade": ("CPU Upgrade", 8, 32, 50, 0.03),
    "cpu-xl": ("CPU XL", 16, 124, 1000, 1.00),
    "cpu-performance": ("CPU Performance", 32, 256, 1024, 1.90),
}
"""Name -> what people call it, cores, GB of memory, GB of disk, dollars an hour."""

FLAVORS = frozenset(_FLAVORS)


def hardware() -> list[dict[str, Any]]:
    """The machines as the client reads them."""
    return [
        {
            "name": name,
            "prettyName": title,
            "cpu": f"{cores} vCPU",
            "ram": f"{memory} GB",
            "ephemeralStorage": f"{disk} GB",
            "accelerator": None,
            "unitCostMicroUSD": round(hourly / 60 * 1e6),
            "unitCostUSD": hourly / 60,
            "unitLabel": "minute",
        }
        for name, (title, cores, memory, disk, hourly) in _FLAVORS.items()
    ]
