"""Which field of the configuration a size is: the twin's sizes, looked up in both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from transformers import PreTrainedConfig

PREFERRED = (
    "hidden_size",
    "d_model",
    "n_embd",
    "intermediate_size",
    "vocab_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "num_labels",
    "num_channels",
    "max_position_embeddings",
)
"""Names that say most of what a size is, where several fields hold it."""

NO_UNITS = re.compile(r"image|patch|window|kernel|stride|layer|depth|length|(^|[._])(top|pad)")
"""Numbers of configurations that are no number of units."""


TOWER = re.compile(r"(?:^|[._])(text|vision|audio|encoder|decoder)(?=[._]|$)")
"""Parts of a model, in names of tensors and of fields; the first that a name holds is its own."""


def tower_of(names: Iterable[str]) -> str | None:
    """The one tower that names are of, if any; None, if there are several."""
    towers = {found[1] for name in names if (found := TOWER.search(name))}
    return towers.pop() if len(towers) == 1 else None


class Fields:
    """Every number of the twin's configuration and of the real one, by dotted path."""

    def __init__(self, twin: PreTrainedConfig, real: PreTrainedConfig) -> None:
        ours, theirs = dict(_numbers(twin)), dict(_numbers(real))
        self.values = {path: (ours[path], theirs[path]) for path in ours if path in theirs}
        twins, reals = dict(_lists(twin)), dict(_lists(real))
        self.lists = {path: (twins[path], reals[path]) for path in twins if path in reals}
        """Lists that may say something of every layer, in both."""
        if (twin.num_labels or 0) > 1:
            self.values["num_labels"] = (int(twin.num_labels or 0), int(real.num_labels or 0))

    def of(
        self,
        size: int,
        whole: int | None = None,
        like: str = "",
        tensors: Iterable[str] = (),
    ) -> str | None:
        """The field that holds `size` in the twin; None without one.

        whole: what its real value has to divide, if that is known. like: a part of its name.
        tensors: those that it is the size of; fields of another tower than theirs come last.
        """
        found = [
            path
            for path, (ours, theirs) in self.values.items()
            if ours == size
            and theirs > 0
            and not NO_UNITS.search(path)
            and (whole is None or whole % theirs == 0)
        ]
        tower = tower_of(tensors)
        found = [p for p in found if tower is None or tower_of([p]) in (None, tower)] or found
        if not found:
            return None
        reals = {self.values[path][1] for path in found}

        def rank(path: str) -> tuple[bool, bool, int, int, str]:
            last = path.rpartition(".")[2]
            known = PREFERRED.index(last) if last in PREFERRED else len(PREFERRED)
            return (like not in path, "." in path, known, len(path), path)

        best = min(found, key=rank)
        if len(reals) > 1 and like and like not in best:
            return None
        return best

    def real(self, path: str) -> int:
        """What the real configuration says."""
        return self.values[path][1]


def _numbers(config: PreTrainedConfig, prefix: str = "") -> Iterator[tuple[str, int]]:
    for name, value in sorted(vars(config).items()):
        if name.startswith("_") or name.endswith(("token_id", "token_index")):
            continue
        yield from _inside(f"{prefix}{name}", value)


def _lists(config: PreTrainedConfig, prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
    for name, value in sorted(vars(config).items()):
        if isinstance(value, PreTrainedConfig):
            yield from _lists(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple) and all(type(v) in (int, str, bool) for v in value):
            yield f"{prefix}{name}", list(value)


def _inside(path: str, value: Any) -> Iterator[tuple[str, int]]:
    if isinstance(value, PreTrainedConfig):
        yield from _numbers(value, f"{path}.")
    elif type(value) is int:
        yield path, value
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            if type(each) is int:
                yield f"{path}.{number}", each
