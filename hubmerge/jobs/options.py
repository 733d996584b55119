"""Where a command is carried out, and whether that may cost money unasked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option, quoted
from hubmerge.options.declared import TARGET, Option
from hubmerge.utils.suggestions import did_you_mean

HF_JOBS: Final = "hf-jobs"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Which machine does the work."""

    on: Annotated[
        str | None,
        Option(
            "Work on Hugging Face Jobs, which costs money: on the cheapest machine that will do, "
            "or on FLAVOR. Default: here.",
            group=TARGET,
            metavar=f"{HF_JOBS}[:FLAVOR]",
            see="jobs.md",
        ),
    ] = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is not this machine."""
        return self.on is not None

    @property
    def flavor(self) -> str | None:
        """The flavour that was named; None where the cheapest is to be found.

        Raises: RecipeError, if `on` names no place.
        """
        place, colon, flavor = (HF_JOBS if self.on is None else self.on).partition(":")
        if place != HF_JOBS or (colon and not flavor):
            raise RecipeError(
                f"{option('on')} {quoted(str(self.on))} is no place to work",
                found=f"places: {HF_JOBS}, {HF_JOBS}:FLAVOR",
                hint=did_you_mean(place, [HF_JOBS]) or option("on", HF_JOBS),
                field="on",
            )
        return flavor or None


@dataclass(frozen=True, kw_only=True)
class Consent:
    """Whether to ask before something is started that costs money."""

    yes: Annotated[
        bool,
        Option(
            "Start a job that costs money without asking.",
            group=TARGET,
            flags="-y --yes",
            see="jobs.md",
        ),
    ] = False
