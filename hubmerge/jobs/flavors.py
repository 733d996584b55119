"""The machines that Hugging Face Jobs rents, and the cheapest that will do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from huggingface_hub import JobHardwareInfo

from hubmerge.errors import ResourceError
from hubmerge.errors.wording import option
from hubmerge.jobs.options import HF_JOBS
from hubmerge.planning.resources import human
from hubmerge.utils.suggestions import unknown

_UNITS = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


@dataclass(frozen=True, kw_only=True)
class Flavor:
    """A machine as the Hub offers it.

    Parameters:
        memory, disk: bytes; disk is None where the Hub does not say.
        accelerator: what it is called; None for a machine without.
        second: dollars a second.
    """

    name: str
    cores: int
    memory: int
    disk: int | None
    accelerator: str | None
    second: float

    def __str__(self) -> str:
        parts = [f"{self.cores} cores", f"{human(self.memory)} of memory"]
        parts += [self.accelerator] if self.accelerator else []
        return f"{self.name} ({', '.join(parts)}, {dollars(self.second * 3600)} an hour)"


def flavor_of(info: JobHardwareInfo) -> Flavor | None:
    """The machine of the Hub's list; None for one whose size or price cannot be read."""
    memory, cores = _bytes(info.ram), re.match(r"\d+", info.cpu)
    unit = _SECONDS.get(info.unit_label.lower())
    if memory is None or cores is None or unit is None:
        return None
    found = info.accelerator
    return Flavor(
        name=info.name,
        cores=int(cores[0]),
        memory=memory,
        disk=_bytes(info.ephemeral_storage),
        accelerator=None if found is None else f"{found.quantity} x {found.model}",
        second=info.unit_cost_usd / unit,
    )


def choose(flavors: Iterable[Flavor], named: str | None, *, memory: int, disk: int) -> Flavor:
    """The machine that was named, or the cheapest that is large enough and has no accelerator,
    which hubmerge would not use.

    Parameters:
        memory, disk: bytes that it must have.

    Raises: RecipeError, for a name there is not; ResourceError, if none, or not that, will do.
    """
    known = {each.name: each for each in flavors}
    fitting = sorted(
        (each for each in known.values() if _fits(each, memory, disk) and not each.accelerator),
        key=lambda each: (each.second, each.memory, each.name),
    )
    if named is None:
        if not fitting:
            raise _too_small(f"no flavour of {HF_JOBS} is large enough", memory, disk, fitting)
        return fitting[0]
    if named not in known:
        raise unknown("flavour", named, known)
    if not _fits(known[named], memory, disk):
        raise _too_small(f"{known[named]} is too small", memory, disk, fitting)
    return known[named]


def dollars(amount: float) -> str:
    """As a price is read: $0.03; less than a cent is said to be that."""
    return "less than a cent" if 0 < amount < 0.01 else f"${amount:.2f}"


def _fits(flavor: Flavor, memory: int, disk: int) -> bool:
    return flavor.memory >= memory and (flavor.disk is None or flavor.disk >= disk)


def _too_small(what: str, memory: int, disk: int, fitting: Sequence[Flavor]) -> ResourceError:
    hint = option("on", *(f"{HF_JOBS}:{each.name}" for each in fitting[:3])) if fitting else None
    return ResourceError(
        what,
        found=f"{human(memory)} of memory and {human(disk)} of disk are needed",
        hint=hint,
        field="on",
    )


def _bytes(text: str) -> int | None:
    """Bytes of "16 GB"."""
    found = re.fullmatch(r"([\d.]+)\s*([kmgt]b)", text.strip().lower())
    return int(float(found[1]) * _UNITS[found[2]]) if found else None
