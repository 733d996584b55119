"""What the front matter of a README says: licence, and for data sets columns and splits."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from hubmerge.errors import DataError
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.licence import ParentLicence
from hubmerge.hub.source import Source
from hubmerge.utils.limits import FRONT_MATTER_BYTES
from hubmerge.utils.untrusted import Unreadable, open_regular
from hubmerge.utils.untrusted_yaml import (
    front_matter,
    read_yaml,
)

README = "README.md"
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
"""What may be the id of a data set on the Hub."""
MOST_NAMED = 8
"""Data sets of a card that are looked at."""
PAPER = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})(?!\d)", re.ASCII)
"""Of a link to a paper, its number."""
COLLECTION = re.compile(
    r"huggingface\.co/collections/([\w-][\w.-]{0,95}/[\w-]{1,150}-[0-9a-f]{24})(?![\w-])", re.ASCII
)
"""Of a link to a collection on the Hub, its owner and slug."""
LICENCE_LETTERS = 100
"""Most of a licence's identifier or name; what is longer names none."""


class DataCard(BaseModel):
    """What a data set's card says of one of its configurations; None where it is silent."""

    model_config = ConfigDict(frozen=True)

    config: str | None
    configs: list[str]
    """All of its configurations."""
    splits: dict[str, int | None]
    """Split -> rows."""
    columns: dict[str, str]
    """Column -> type as the card has it."""


def read_card(source: Source) -> dict[str, Any]:
    """Front matter of the README; empty if there is none or it cannot be read."""
    try:
        said = read_yaml(front_matter(_start_of_readme(source))[0] or "")
    except Unreadable:  # the card says nothing
        return {}
    return {str(name): value for name, value in said.items()} if isinstance(said, dict) else {}


def _start_of_readme(source: Source) -> str:
    """As much of the README as front matter may have; empty if there is none."""
    if README not in file_sizes(source):
        return ""
    try:
        with open_regular(fetch_file(source, README)) as file:
            return file.read(FRONT_MATTER_BYTES + 1).decode("utf-8", "replace")
    except (Unreadable, OSError):
        return ""


def parent_licence(source: Source) -> ParentLicence:
    """What a model's card says of its licence. Raises: AccessError, HubUnavailableError."""
    card = read_card(source)
    said = card.get("license")
    return ParentLicence(
        licenses=tuple(
            name for name in map(_name, said if isinstance(said, list) else [said]) if name
        ),
        license_name=_name(card.get("license_name")),
        license_link=_text(card.get("license_link")),
        gated=source.gated,
        private=source.private,
    )


def named_data(source: Source) -> list[str]:
    """The data sets that a model's card names, in its order. Raises: AccessError,
    HubUnavailableError.
    """
    said = read_card(source).get("datasets")
    names = [_name(name) for name in (said if isinstance(said, list) else [said])]
    return [name for name in names if name and REPOSITORY.fullmatch(name)][:MOST_NAMED]


def named_papers(source: Source) -> list[str]:
    """arXiv numbers of papers that a model's README links to, in its order.

    Raises: AccessError, HubUnavailableError.
    """
    return _linked(PAPER, source)


def named_collections(source: Source) -> list[str]:
    """Collections of the Hub, as OWNER/SLUG, that a model's README links to, in its order.

    Raises: AccessError, HubUnavailableError.
    """
    return _linked(COLLECTION, source)


def _linked(kind: re.Pattern[str], source: Source) -> list[str]:
    return list(dict.fromkeys(kind.findall(_start_of_readme(source))))[:MOST_NAMED]


def data_card(source: Source, config: str | None = None) -> DataCard:
    """What the card of a data set says of `config` (by default: its first).

    Raises: AccessError, HubUnavailableError.
    """
    card = read_card(source)
    info = _chosen(card.get("dataset_info"), config)
    files = _chosen(card.get("configs"), config)
    splits: dict[str, int | None] = {
        str(entry["split"]): None for entry in _entries(files.get("data_files")) if "split" in entry
    }
    splits |= {
        str(entry["name"]): _count(entry.get("num_examples"))
        for entry in _entries(info.get("splits"))
        if "name" in entry
    }
    columns = {
        str(entry["name"]): _kind(entry)
        for entry in _entries(info.get("features"))
        if "name" in entry
    }
    name = config or info.get("config_name") or files.get("config_name")
    configs = [
        str(entry["config_name"])
        for said in (card.get("configs"), card.get("dataset_info"))
        for entry in _entries(said)
        if "config_name" in entry
    ]
    return DataCard(
        config=_text(name), configs=list(dict.fromkeys(configs)), splits=splits, columns=columns
    )


def refuse_unlisted(
    card: DataCard,
    ref: str,
    *,
    config: str | None = None,
    splits: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> None:
    """Raises: DataError, if the card lists what there is and one of the names is not among it."""
    asked: tuple[tuple[str, Sequence[str], Collection[str]], ...] = (
        ("configuration", [config] if config else [], card.configs),
        ("split", splits, card.splits),
        ("column", columns, card.columns),
    )
    for what, names, listed in asked:
        for name in names:
            if listed and name not in listed:
                raise DataError(
                    f'{ref} has no {what} "{name}"',
                    found=f"{what}s " + ", ".join(f'"{each}"' for each in sorted(listed)),
                    source=README,
                )


def _chosen(said: Any, config: str | None) -> dict[str, Any]:
    entries = _entries(said)
    named = [entry for entry in entries if config in (None, entry.get("config_name"))]
    return (named or [{}])[0]


def _entries(said: Any) -> list[dict[str, Any]]:
    several = said if isinstance(said, list) else [said]
    return [entry for entry in several if isinstance(entry, dict)]


def _kind(feature: dict[str, Any]) -> str:
    kind = feature.get("dtype", "?")
    if isinstance(kind, dict):
        kind = next(iter(kind), "?")
    return kind if isinstance(kind, str) else "?"


def _count(said: Any) -> int | None:
    return said if isinstance(said, int) and not isinstance(said, bool) and said >= 0 else None


def _name(said: Any) -> str | None:
    """A licence's name, as far as it is one."""
    text = str(said) if isinstance(said, str | int | float) else ""
    return text if 0 < len(text) <= LICENCE_LETTERS else None


def _text(said: Any) -> str | None:
    return None if said is None else str(said)
