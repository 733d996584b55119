"""What matching found."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PreTrainedModel

from hubmerge.api.aligned import Aligned, holding
from hubmerge.api.loading import in_memory
from hubmerge.errors import MismatchError
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.matching import Match, match_text
from hubmerge.models.joint_head import JointHead
from hubmerge.pipeline.apply_matches import apply_matches
from hubmerge.pipeline.parents import Parents, without_base
from hubmerge.utils.shown import Shown

HALVES = (0.5, 0.5)


@dataclass(frozen=True, repr=False)
class Found(Shown):
    """What `match` found: `.apply(b)` aligns model B; `.match` says how well."""

    parents: Parents
    match: Match
    heads: JointHead | None = None
    text_by = "hubmerge.api.found:found_text"

    def apply(self, b: LoadedModel | PreTrainedModel) -> Aligned:
        """`b` with its classes in A's order and its units aligned; its function is the same.

        Raises: MismatchError, if `b` is not the model that was matched.
        """
        b = in_memory(b)
        a, wanted = self.parents.loaded
        if b.source.sha != wanted.source.sha:
            raise MismatchError(f"this alignment is for {wanted.source.ref}", found=b.source.ref)
        (first, last), _ = without_base(self.parents, self.heads).filled(
            apply_matches(self.parents, [self.match]), None, HALVES
        )
        holder = holding(wanted, last, a)
        anchor = holding(a, first, a)
        return Aligned(**vars(holder), anchor=anchor, heads=self.heads, match=self.match)


def found_text(found: Found) -> str:
    """What was found, a line per space."""
    return match_text(found.match)
