"""A spec being put together: spaces are declared, tensors claimed, places watched, then checked.

Every check of the language that looks at more than one line lives here.
"""

from hubmerge.specs.draft.coverage import check_optional, nearest
from hubmerge.specs.draft.finish import finish
from hubmerge.specs.draft.lines import claim
from hubmerge.specs.draft.norms import gates, norms, stands_behind, tie
from hubmerge.specs.draft.spaces import add_space, declare, kind_of
from hubmerge.specs.draft.state import Draft
from hubmerge.specs.draft.watches import watch

__all__ = [
    "Draft",
    "add_space",
    "check_optional",
    "claim",
    "declare",
    "finish",
    "gates",
    "kind_of",
    "nearest",
    "norms",
    "stands_behind",
    "tie",
    "watch",
]
