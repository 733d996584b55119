"""Every way a merge can be refused, each with its own exit code.

An error is built from what was given, what was found and what to try, and prints as

    SpecError: h.0.attn.c_attn.weight does not fit "resid (head qk + head vo)"
      found: the tensor has 2304 columns, the axes name 1536
      from:  model_specs/gpt2.toml, block "h.{layer}"
      try:   fused q, k, v is (head qk + head qk + head vo)

`exit_codes()` lists them for the documentation; the command line exits with `error.exit_code`.
"""

from __future__ import annotations


class HubmergeError(Exception):
    """Base of everything hubmerge refuses on purpose. Never raised itself."""

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        found: str | None = None,
        source: str | None = None,
        hint: str | None = None,
    ) -> None:
        """`what` quotes what was given; `found` what stands there; `hint` what to try."""
        super().__init__(what)
        self.what = what
        self.found = found
        self.source = source
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        for label, text in (("found", self.found), ("from", self.source), ("try", self.hint)):
            if text:
                first, *rest = text.splitlines()
                lines.append(f"  {label + ':':<7}{first}")
                lines.extend(" " * 9 + line for line in rest)
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.found, self.source, self.hint)


def _rebuild(
    kind: type[HubmergeError], what: str, found: str | None, source: str | None, hint: str | None
) -> HubmergeError:
    return kind(what, found=found, source=source, hint=hint)


class RecipeError(HubmergeError):
    """A recipe, option or combination of options that cannot be carried out."""

    exit_code = 3


class SpecError(HubmergeError):
    """A spec file that is malformed or does not describe the model in front of it."""

    exit_code = 10


class FamilyError(HubmergeError):
    """The model belongs to a family no spec describes."""

    exit_code = 11


class LawError(HubmergeError):
    """A symmetry moved the outputs it must keep: the spec is wrong for this model."""

    exit_code = 12


class MismatchError(HubmergeError):
    """The two models differ in architecture, configuration or preprocessing."""

    exit_code = 13


class LabelError(HubmergeError):
    """The two models' labels, or the data set's labels, cannot be brought together."""

    exit_code = 14


class WeightsError(HubmergeError):
    """Weights that are missing, unexpected, mis-shaped, truncated, pickled, NaN or Inf."""

    exit_code = 15


class CanonicalError(HubmergeError):
    """A model's weights allow no canonical form, so that only permutations can be used."""

    exit_code = 17


class RemoteCodeError(HubmergeError):
    """The model wants to run code of its own and nobody allowed it."""

    exit_code = 16


class NotFoundError(HubmergeError):
    """A repository, revision or folder that does not exist (or is private to this caller)."""

    exit_code = 20


class AccessError(HubmergeError):
    """The Hub knows the repository but not this caller: gated, private, wrong token, no write."""

    exit_code = 21


class HubUnavailableError(HubmergeError):
    """The Hub did not answer, or went away in the middle."""

    exit_code = 22


class DataError(HubmergeError):
    """A data set that is missing, has other columns, splits or labels, or too few rows."""

    exit_code = 30


class TargetError(HubmergeError):
    """The place to write to exists already, or cannot be written."""

    exit_code = 40


class ResourceError(HubmergeError):
    """Not enough disk or memory."""

    exit_code = 41


class RoundTripError(HubmergeError):
    """The merge, reloaded from disk, is not the merge that was computed."""

    exit_code = 42


class ConflictError(HubmergeError):
    """The target repository changed while this was being published."""

    exit_code = 43


class VerificationError(HubmergeError):
    """A merge is not what its report says, or the Hub does not hold what was pushed to it."""

    exit_code = 44


class UncheckedError(HubmergeError):
    """Not everything a report says could be checked: what the merge was made from is gone."""

    exit_code = 45


INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def exit_codes() -> dict[str, tuple[int, str]]:
    """Name -> (exit code, meaning) of every failure class, ordered by code."""
    kinds = HubmergeError.__subclasses__()
    return {
        kind.__name__: (kind.exit_code, (kind.__doc__ or "").splitlines()[0])
        for kind in sorted(kinds, key=lambda kind: kind.exit_code)
    }
