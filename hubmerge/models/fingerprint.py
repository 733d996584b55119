"""What a model in memory is recognised by, cheaply: whether it has changed since it was loaded.

Against mistakes, not against deceit: what is published is known by sha256.
"""

from __future__ import annotations

import json
from typing import Any

import torch
import xxhash
from torch import nn

BOOKKEEPING = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")
"""Fields of a configuration that saving a model sets."""


def fingerprint(model: nn.Module) -> str:
    """A hash of 128 bits over names, dtypes, shapes and values of all tensors, and the
    configuration (xxh3: about as long as reading the tensors once).
    """
    config: Any = getattr(model, "config", None)
    said = {} if config is None else json.loads(config.to_json_string(use_diff=False))
    kept = {name: value for name, value in said.items() if name not in BOOKKEEPING}
    found = xxhash.xxh3_128(json.dumps(kept, sort_keys=True).encode())
    for name, value in sorted(model.state_dict().items()):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        found.update(flat.view(torch.uint8).numpy())
    return found.hexdigest()
