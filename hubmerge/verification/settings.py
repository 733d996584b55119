"""What lies beside the weights, judged without weights: as the parents' own files give it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hubmerge.errors import HubmergeError, HubUnavailableError, RemoteCodeError, ResourceError
from hubmerge.hub.layout import INDEX
from hubmerge.pipeline.outlined import outlined, without_values
from hubmerge.pipeline.save import write_settings
from hubmerge.pipeline.sources import pin_sources
from hubmerge.pipeline.stored_as import StoredAs
from hubmerge.recipe import Recipe, role_in_stage
from hubmerge.utils.parent_names import roles
from hubmerge.verification.download import Merge
from hubmerge.verification.files import check_files
from hubmerge.verification.remade import not_checked
from hubmerge.verification.result import Check, Outcome
from hubmerge.verification.sources import FoundSources

SETTINGS = "configuration"
"""The part of a verification that they are in."""


def check_settings(merge: Merge, wanted: Recipe, found: FoundSources) -> list[Check]:
    """Whether configurations, processor, tokenizer, chat templates and whatever else is loaded are
    those that the parents' files give; their weights stay where they are.

    Raises: HubUnavailableError, ResourceError; RemoteCodeError, if a parent takes code that may not
    be run.
    """
    models = roles("model", len(wanted.models))
    needed = [role for role in found.gone if role in models or role_in_stage(role)[0] is not None]
    if gone := [found.gone[role] for role in needed]:
        return not_checked((SETTINGS,), "; ".join(gone))
    place = Path(tempfile.mkdtemp(prefix="hubmerge-verify-"))
    try:
        with outlined(wanted, pin_sources(wanted)) as found_parents:
            trust = wanted.trust_remote_code
            parents = without_values(wanted, found_parents.sources.models, trust=trust)
            write_settings(place, parents, StoredAs.of(wanted.dtype, wanted.max_shard_size))
        return check_files(merge, place, alignment=False, besides=(INDEX,))
    except (HubUnavailableError, ResourceError, RemoteCodeError):
        raise
    except HubmergeError as error:
        why = f"they cannot be made from what is recorded: {error}"
        return [Check(part=SETTINGS, what="all", outcome=Outcome.DOES_NOT_HOLD, why=why)]
    finally:
        shutil.rmtree(place, ignore_errors=True)
