"""A merge in memory, which can be saved and published."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path as Folder
from tempfile import TemporaryDirectory

import torch

from hubmerge.errors import MismatchError
from hubmerge.hub.destination import Destination
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.publish import Published
from hubmerge.models.fingerprint import fingerprint
from hubmerge.pipeline.align import Alignment
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.fuse import FusedModel
from hubmerge.pipeline.load import MergeInputs
from hubmerge.pipeline.publish import publish_folder
from hubmerge.pipeline.report import write_report
from hubmerge.pipeline.results import RunResults
from hubmerge.pipeline.save import save
from hubmerge.planning.make_plan import make_plan
from hubmerge.utils.atomic_folder import atomic_folder
from hubmerge.utils.shown import Shown


@dataclass(frozen=True, kw_only=True)
class MergeSteps:
    """What the steps of a merge in memory found, for its report."""

    run: Run
    inputs: MergeInputs
    alignment: Alignment
    fused: FusedModel
    made: str
    """The fingerprint of the merge."""


@dataclass(repr=False)
class Merged(Shown):
    """A merge in memory: an ordinary transformers model, and where it came from.

    model: yours to use. a, b: what was merged. t: the weight of B. repair, fuse: the methods.
    """

    model: torch.nn.Module
    a: LoadedModel
    b: LoadedModel
    t: float
    repair: str
    fuse: str
    """The fusion that made it: the one that was named, or, of `auto`, the one that was kept."""
    steps: MergeSteps = field(kw_only=True)
    text_by = "hubmerge.api:report"

    def save_pretrained(self, folder: str | Folder) -> Folder:
        """Writes a stock checkpoint with A's processor, recipe, report and card, and reads it back.

        Returns: the folder. Raises: TargetError, if `folder` exists; RoundTripError; MismatchError,
        if a parent's files are not those that were loaded, or `model` was changed.
        """
        if fingerprint(self.model) != self.steps.made:
            raise MismatchError(
                "the merge was changed after it was made, so that no recipe makes it",
                found="tensors or a configuration that are not those of the merge",
                hint="model.save_pretrained saves it as it is, without report and recipe",
            )
        target = Folder(folder)
        given = self.steps
        run = replace(given.run, destination=Destination(out=target), out=target)
        plan = make_plan(run)
        fused = replace(
            given.fused, fused=replace(given.fused.fused, state=self.model.state_dict())
        )
        with atomic_folder(target) as partial:
            saved = save(run, given.inputs, fused, partial)
            results = RunResults(
                run=run,
                plan=plan,
                inputs=given.inputs,
                alignment=given.alignment,
                fused=fused,
                saved=saved,
                evaluation=None,
                surveys=None,
            )
            write_report(results, partial, {})
        return target

    def push_to_hub(
        self,
        repo: str,
        *,
        private: bool | None = None,
        create_pr: bool = False,
        revision: str | None = None,
        exist_ok: bool = False,
    ) -> Published:
        """Publishes what `save_pretrained` writes, in one commit; options as of `Destination`.

        Raises: as `save_pretrained`; TargetError, AccessError, HubUnavailableError, ConflictError,
        VerificationError.
        """
        destination = Destination(
            push=repo, private=private, create_pr=create_pr, revision=revision, exist_ok=exist_ok
        )
        with TemporaryDirectory(prefix="hubmerge-") as beside:
            return publish_folder(self.save_pretrained(Folder(beside) / "merge"), destination)

    def _summary(self) -> str:
        return (
            f"{1 - self.t:g} x {self.a.source.ref} + {self.t:g} x {self.b.source.ref}, fuse "
            f"{self.fuse}, repair {self.repair}, {type(self.model).__name__}"
        )
