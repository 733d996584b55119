"""One tokenizer for the tokens of several models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hubmerge.errors import MismatchError
from hubmerge.hub.tokenizer import TOKENIZER, load_tokenizer

FAST = "tokenizer.json"
"""The file of a fast tokenizer, which says everything about it."""
LISTED = 5
"""Tokens quoted in an error."""


def missing_tokens(first: Any, others: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """What the tokenizer `first` lacks of others: tokens that were added to them (as they were
    added), and words of their own vocabularies; each in their order, by number.
    """
    known = set(first.get_vocab())
    added, words = [], []
    for other in others:
        extra = other.added_tokens_decoder
        for token, number in sorted(other.get_vocab().items(), key=lambda each: each[1]):
            if token in known:
                continue
            known.add(token)
            if number in extra:
                added.append(extra[number])
            else:
                words.append(token)
    return added, words


def write_union(
    folder: Path, ref: str, others: Sequence[Any], place: Path, *, trust_remote_code: bool = False
) -> Any:
    """Writes the tokenizer of `folder` with the tokens of others into `place`, and loads it.

    What it has keeps its number; the rest follows, tokens that were added to others last. Words
    are found in texts as by any tokenizer of that kind; merges of pairs follow the first one's.
    Raises: MismatchError, if such a tokenizer cannot be extended.
    """
    made: Any = load_tokenizer(folder, ref, trust_remote_code=trust_remote_code)
    added, words = missing_tokens(made, others)
    wanted = dict(made.get_vocab())
    made.save_pretrained(place)
    if words:
        said = json.loads((place / FAST).read_text(encoding="utf-8"))
        _add_words(said, words, wanted, others, ref)
        (place / FAST).write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
        made = load_tokenizer(place, ref, trust_remote_code=trust_remote_code)
    if added:
        made.add_tokens(added)
        made.save_pretrained(place)
        made = load_tokenizer(place, ref, trust_remote_code=trust_remote_code)
    there = made.get_vocab()
    tokens = {*wanted, *words, *(each.content for each in added)}
    moved = [token for token, number in wanted.items() if there.get(token) != number]
    if moved or set(there) != tokens:
        raise _not_extended(ref, "tokens change their numbers")
    return made


def refuse_slow(tokenizer: Any, ref: str) -> None:
    """Raises: MismatchError, if a tokenizer is none whose parts are known."""
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise _not_extended(ref, f"{type(tokenizer).__name__}, which is no fast tokenizer")


def _add_words(
    said: dict[str, Any],
    words: Sequence[str],
    wanted: dict[str, int],
    others: Sequence[Any],
    ref: str,
) -> None:
    """Adds words to the vocabulary of a fast tokenizer's description, behind all that it has."""
    model = said["model"]
    theirs = [json.loads(other.backend_tokenizer.to_str())["model"] for other in others]
    kinds = {str(each.get("type")) for each in (model, *theirs)}
    if len(kinds) > 1 or not isinstance(model.get("vocab"), dict):
        raise _not_extended(ref, f"vocabularies of the kind {', '.join(sorted(kinds))}")
    # An added token has the number that the vocabulary gives it, and else the next free one.
    model["vocab"] = dict(wanted)
    number = max(wanted.values(), default=-1)
    for word in words:
        number += 1
        model["vocab"][word] = wanted[word] = number
    if "merges" in model:
        known = {_pair(pair) for pair in model["merges"]}
        for other in theirs:
            for pair in map(_pair, other["merges"]):
                made = "".join(pair)
                if pair not in known and {*pair, made} <= model["vocab"].keys():
                    known.add(pair)
                    model["merges"].append(list(pair))


def _pair(merge: str | Sequence[str]) -> tuple[str, str]:
    """Two tokens that become one, in either way that they are written."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _not_extended(ref: str, found: str) -> MismatchError:
    return MismatchError(
        f"the tokenizer of {ref} cannot be extended by tokens of the others",
        found=found,
        source=TOKENIZER,
        hint="take the vocabulary of one of the models: its letter, or base",
    )
