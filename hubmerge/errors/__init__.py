"""Every way a merge can be refused, each with its own exit code.

An error is built from what was given, what was found and what to try, and prints as

    SpecError: h.0.attn.c_attn.weight does not fit "resid (head qk + head vo)"
      found: the tensor has 2304 columns, the axes name 1536
      from:  model_specs/gpt2.toml, block "h.{layer}"
      try:   fused q, k, v is (head qk + head qk + head vo)

`exit_codes()` lists them for the documentation; the command line exits with `error.exit_code`.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

from hubmerge.errors.printable import printable
from hubmerge.errors.wording import PYTHON, Wording, render


@dataclass(frozen=True, kw_only=True)
class Message:
    """What an error says; options and actions in it are mentions until a face words them.

    Parameters:
        what: quotes what was given.
        found: what stands there instead; may have several lines.
        source: the file, address or place it was found in.
        hint: what to try.
        field: the option it is about, by its name in a recipe or in a function's signature.
        fields: all options it is about, where they are several; `field` is the first.
    """

    what: str
    found: str | None = None
    source: str | None = None
    hint: str | None = None
    field: str | None = None
    fields: tuple[str, ...] = ()

    def worded(self, wording: Wording) -> Message:
        """The same in the words of a face."""

        def said(text: str | None) -> str | None:
            return None if text is None else render(text, wording)

        return replace(
            self,
            what=render(self.what, wording),
            found=said(self.found),
            source=said(self.source),
            hint=said(self.hint),
        )

    def __str__(self) -> str:
        """Safe to print, whatever it quotes: no quoted line can pass for one of its own."""
        first, *rest = self.what.splitlines() or [""]
        lines = [first, *(" " * 9 + line for line in rest)]
        for label, text in (("found", self.found), ("from", self.source), ("try", self.hint)):
            if text:
                first, *rest = text.splitlines() or [""]
                lines.append(f"  {label + ':':<7}{first}")
                lines.extend(" " * 9 + line for line in rest)
        return printable("\n".join(lines))


class HubmergeError(Exception):
    """Base of everything hubmerge refuses on purpose. Never raised itself.

    `what`, `found`, `source`, `hint` and the text are worded for Python; `message` can be worded
    for another face.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        found: str | None = None,
        source: str | None = None,
        hint: str | None = None,
        field: str | None = None,
        fields: tuple[str, ...] = (),
    ) -> None:
        """As `Message`: `what` quotes what was given, `hint` says what to try."""
        self.message = Message(
            what=what, found=found, source=source, hint=hint, field=field, fields=fields
        )
        super().__init__(self.what)

    @property
    def what(self) -> str:
        """What was given, quoted."""
        return self._worded.what

    @property
    def found(self) -> str | None:
        """What was found."""
        return self._worded.found

    @property
    def source(self) -> str | None:
        """Where it was found."""
        return self._worded.source

    @property
    def hint(self) -> str | None:
        """What to try."""
        return self._worded.hint

    @property
    def field(self) -> str | None:
        """The option it is about, such as "dataset"."""
        return self.message.field

    @property
    def fields(self) -> tuple[str, ...]:
        """All options it is about, such as ("lam", "dataset")."""
        return self.message.fields or tuple(filter(None, [self.field]))

    @property
    def _worded(self) -> Message:
        return self.message.worded(PYTHON)

    def __str__(self) -> str:
        return str(self._worded)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), *astuple(self.message))


def _rebuild(
    kind: type[HubmergeError],
    what: str,
    found: str | None,
    source: str | None,
    hint: str | None,
    field: str | None,
    fields: tuple[str, ...],
) -> HubmergeError:
    return kind(what, found=found, source=source, hint=hint, field=field, fields=fields)


class RecipeError(HubmergeError):
    """A recipe, option or combination of options that cannot be carried out."""

    exit_code = 3


class SpecError(HubmergeError):
    """A spec file that is malformed or does not describe the model."""

    exit_code = 10


class FamilyError(HubmergeError):
    """The model belongs to a family that no spec describes."""

    exit_code = 11


class LawError(HubmergeError):
    """A symmetry changed the outputs it must preserve: the spec is wrong for this model."""

    exit_code = 12


class DerivationError(HubmergeError):
    """No spec describes the model, and none could be derived of it."""

    exit_code = 18


class MismatchError(HubmergeError):
    """The two models differ in architecture, configuration or preprocessing."""

    exit_code = 13


class LabelError(HubmergeError):
    """The labels of the models, or of the data set, cannot be matched."""

    exit_code = 14


class WeightsError(HubmergeError):
    """Weights that are missing, unexpected, mis-shaped, truncated, pickled, NaN or Inf."""

    exit_code = 15


class CanonicalError(HubmergeError):
    """A model's weights allow no canonical form, so that only permutations can be used."""

    exit_code = 17


class RemoteCodeError(HubmergeError):
    """The model needs remote code, which was not allowed."""

    exit_code = 16


class NotFoundError(HubmergeError):
    """A repository, revision or folder that does not exist (or is private to this caller)."""

    exit_code = 20


class AccessError(HubmergeError):
    """Known but not to this caller: gated, private, wrong token, no write; an unreadable file."""

    exit_code = 21


class HubUnavailableError(HubmergeError):
    """The Hub did not answer, or the connection was lost."""

    exit_code = 22


class JobError(HubmergeError):
    """A job on the Hub that failed, was cancelled, or left no result."""

    exit_code = 23


class JobTimeoutError(HubmergeError):
    """A job on the Hub that was ended at its time limit."""

    exit_code = 24


class UnconfirmedError(HubmergeError):
    """Something that costs money was not agreed to; it was not started."""

    exit_code = 25


class DataError(HubmergeError):
    """A data set that is missing, has other columns, splits or labels, or too few rows."""

    exit_code = 30


class TargetError(HubmergeError):
    """The target exists already, or cannot be written."""

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
    """A merge differs from its report, or the Hub's files from those that were pushed."""

    exit_code = 44


class UncheckedError(HubmergeError):
    """Parts of a report could not be checked, for example because a source is gone."""

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
