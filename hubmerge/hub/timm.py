"""Models of timm in transformers' wrapper: what they take, and what is said where that is missing.

The wrapper makes its models by the package timm, and prepares images by the package torchvision.
How images are prepared stands in config.json itself; there is no file of a processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubmerge.errors import FamilyError
from hubmerge.errors.wording import quoted

WRAPPER = "timm_wrapper"
"""The model type of transformers."""
INSTALL = "pip install 'hubmerge[timm]'"


def refuse_without_timm(fields: Mapping[str, Any], ref: str) -> None:
    """Raises: FamilyError, if a configuration takes timm and it is not installed, or cannot be
    imported.
    """
    if fields.get("model_type") != WRAPPER:
        return
    from transformers.utils import is_timm_available

    found = "the package timm is not installed"
    if is_timm_available():
        try:
            import timm  # noqa: F401
        except Exception as error:  # torchvision, which it imports, breaks beside another torch
            found = f"timm cannot be imported: {error}"
        else:
            return
    raise FamilyError(
        f"{ref} is a model of timm, {quoted(str(fields.get('architecture')))}, in transformers' "
        "wrapper",
        found=found,
        hint=INSTALL,
    )


def prepares_images(config: Any) -> bool:
    """Whether config.json says how images are prepared, and torchvision can do it."""
    from transformers.utils import is_torchvision_available

    said = getattr(config, "pretrained_cfg", None)
    wrapped = config.model_type == WRAPPER and isinstance(said, Mapping)
    return wrapped and bool(is_torchvision_available())
