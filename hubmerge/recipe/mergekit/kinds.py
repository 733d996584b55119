"""For which program the text of a file is written."""

from __future__ import annotations

import re

_MARK = re.compile(r"^[ \t]*merge_method[ \t]*:", re.MULTILINE)
_EXPERTS = re.compile(r"^experts[ \t]*:", re.MULTILINE)
_SOURCE = re.compile(r"^[- \t]*source_model[ \t]*:", re.MULTILINE)


def is_mergekits(text: str) -> bool:
    """Whether the text of a file is written for mergekit: ours have no `merge_method`."""
    return _MARK.search(text) is not None


def is_of_experts(text: str) -> bool:
    """Whether the text of a file is written for `mergekit-moe`."""
    return bool(_EXPERTS.search(text) and _SOURCE.search(text))
