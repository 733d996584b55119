"""Parents whose tables all have the rows of one vocabulary."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from hubmerge.errors import MismatchError, RecipeError, WeightsError
from hubmerge.errors.wording import option
from hubmerge.fuse.subset import tied_names
from hubmerge.hub.companions import templates_of
from hubmerge.hub.compare import check_mergeable
from hubmerge.hub.describe import Description, describe
from hubmerge.hub.fetch import fetch_file, file_sizes, needed_files
from hubmerge.hub.json_files import read_json
from hubmerge.hub.layout import CONFIG, GENERATION, TEMPLATES
from hubmerge.hub.model_class import skeleton
from hubmerge.hub.source import Source
from hubmerge.hub.tokenizer import FILES, TEMPLATE, TOKENIZER
from hubmerge.preparation.names import names_in
from hubmerge.preparation.rows import ABSENT, Fill, Rows, aligned_rows
from hubmerge.preparation.tables import (
    Read,
    aligned_table,
    filled_rows,
    table_axes,
    tied_to,
    vocabulary_size,
)
from hubmerge.preparation.token_ids import renumbered, with_owners_tokens
from hubmerge.preparation.union import missing_tokens, refuse_slow, write_union
from hubmerge.preparation.write import Stored, json_text, stored, write_parent
from hubmerge.recipe import AUTO, BASE, UNION, Recipe
from hubmerge.streaming.shards import Slot
from hubmerge.utils.parent_names import display_name, roles


@dataclass(frozen=True)
class OfModel:
    """What one vocabulary means for a model: how many of the merge's tokens it has no row for, and
    how many of its own tokens the merge does not have.
    """

    model: str
    tokens: int
    lacking: int
    dropped: int


@dataclass(frozen=True)
class VocabularyUsed:
    """The vocabulary of a merge. owner: whose special tokens and numbers it has. template: whose
    chat template, in words; None where there is none.
    """

    tokenizer: str
    owner: str
    tokens: int
    rows: int
    models: tuple[OfModel, ...]
    template: str | None


def with_one_vocabulary(
    sources: Sequence[Source], recipe: Recipe, place: Path, *, headers_only: bool
) -> tuple[list[Source], VocabularyUsed | None]:
    """Parents, and their base after them, with the tokenizer that the recipe asks for, in `place`.

    headers_only: their weights are not needed; what is written has names, shapes and sizes.
    Where no model has a tokenizer, one's tables are those of all, as they are.
    Raises: MismatchError, WeightsError; RecipeError, for a token that a model does not have.
    """
    trust = recipe.trust_remote_code
    models = [describe(source, trust_remote_code=trust) for source in sources]
    if recipe.tokenizer != UNION and all(each.tokenizer is None for each in models):
        return list(sources), None
    for each in models:
        if each.tokenizer is None:
            raise MismatchError(
                f"{each.source.ref} has no tokenizer",
                source=TOKENIZER,
                hint="rows of tables are brought together by the tokens that they stand for",
            )
        refuse_slow(each.tokenizer, each.source.ref)
    return _Vocabularies(models, recipe, place).written(headers_only)


class _Vocabularies:
    """The models, and what is common to all of them."""

    def __init__(self, models: Sequence[Description], recipe: Recipe, place: Path) -> None:
        self._models, self._recipe, self._place = models, recipe, place
        parents = len(recipe.models)
        names = [*roles("parent", parents), BASE]
        self._names = [display_name(n) if n != BASE else "the base" for n in names]
        self._keys = names
        self._base = parents if recipe.base is not None else None
        self._owner = self._number(recipe.tokenizer) if recipe.tokenizer not in (None, UNION) else 0
        self._tokenizer: Any = models[self._owner].tokenizer
        self._files: dict[str, Path] = {}
        self._rows = self._aligned() if recipe.tokenizer is not None else None
        self._templates, self._template_of = self._chosen_template()
        if self._templates is not None:
            self._files = {n: path for n, path in self._files.items() if not _is_template(n)}

    def _number(self, name: str | None) -> int:
        """Which of the models a letter, or "base", is."""
        return len(self._recipe.models) if name == BASE else ord(str(name)) - ord("A")

    def written(self, headers_only: bool) -> tuple[list[Source], VocabularyUsed]:
        """Writes every model anew."""
        trust = self._recipe.trust_remote_code
        found = []
        with ExitStack() as opened:
            kept = []
            for each in self._models:
                kept.append(stored(each, headers_only=headers_only, trust_remote_code=trust))
                opened.callback(kept[-1].close)
            write = _Tables(self._models, kept, self._rows) if self._rows is not None else None
            for number, model in enumerate(kept):
                folder = self._place / self._keys[number]
                slots, changed, value = (
                    write.of(number) if write else (model.slots(), frozenset[str](), _nothing)
                )
                write_parent(
                    folder,
                    model,
                    slots,
                    changed,
                    value,
                    self._beside(number),
                    links=self._files,
                    without=_is_tokenizers,
                    trust_remote_code=trust,
                )
                source = self._models[number].source
                found.append(replace(source, folder=folder, origins=source.made_of))
        return found, self._used()

    def _aligned(self) -> Rows:
        """How tables become those of one vocabulary; notes the tokenizer's files."""
        models, owner = self._models, self._owner
        kinds = {(each.config.model_type, *(each.config.architectures or ())) for each in models}
        if len(kinds) > 1:
            check_mergeable(*models)
        sizes = []
        for each in models:
            size = vocabulary_size(each.config)
            if size is None:
                raise WeightsError(f"{each.source.ref} has no vocab_size", source=CONFIG)
            sizes.append(size)
        tokenizers: list[Any] = [each.tokenizer for each in models]
        size, source = sizes[owner], models[owner].source
        if self._recipe.tokenizer == UNION and any(missing_tokens(tokenizers[0], tokenizers[1:])):
            folder = fetch_file(source, CONFIG).parent
            for name in filter(_is_tokenizers, needed_files(source)):
                fetch_file(source, name)
            place = self._place / "tokenizer"
            trust = self._recipe.trust_remote_code
            self._tokenizer = write_union(
                folder, source.ref, tokenizers[1:], place, trust_remote_code=trust
            )
            self._files = {path.name: path for path in place.iterdir() if path.is_file()}
        else:
            names = filter(_is_tokenizers, needed_files(source))
            self._files = {name: fetch_file(source, name) for name in names}
        wanted = self._tokenizer.get_vocab()
        if self._recipe.tokenizer == UNION:
            size = max(size, max(wanted.values(), default=-1) + 1)
        vocabularies = [tokenizer.get_vocab() for tokenizer in tokenizers]
        return aligned_rows(
            vocabularies, sizes, wanted, size, self._fills(vocabularies, wanted), self._base
        )

    def _fills(
        self, vocabularies: Sequence[Mapping[str, int]], wanted: Mapping[str, int]
    ) -> dict[int, Fill]:
        """What single rows are made of, where the recipe says so."""
        found: dict[int, Fill] = {}
        for token, said in self._recipe.tokens.items():
            if token not in wanted:
                raise RecipeError(
                    f"{option('tokens')} names {token!r}, which the merge does not have",
                    found=f"its vocabulary is that of {self._recipe.tokenizer}",
                    field="tokens",
                )
            if said.of == "zero":
                found[wanted[token]] = Fill(None, force=said.force)
                continue
            number = self._number(said.of)
            row = said.token_id
            if row is None:
                row = vocabularies[number].get(said.token or token)
            size = vocabulary_size(self._models[number].config) or 0
            if row is None or row >= size:
                raise RecipeError(
                    f"{option('tokens')}: {self._names[number]} has no row for "
                    f"{said.token or token!r}",
                    field="tokens",
                )
            found[wanted[token]] = Fill(number, row, said.force)
        return found

    def _beside(self, number: int) -> dict[str, str]:
        """Texts of the files beside a model's weights that are not its own."""
        source, owner = self._models[number].source, self._models[self._owner].source
        files = dict(self._templates or {})
        if self._templates is not None and TOKENIZER in self._files:
            fields = read_json(self._files[TOKENIZER], source.ref)
            fields.pop("chat_template", None)
            files[TOKENIZER] = json_text(fields)
        if self._rows is None:
            return files
        own = read_json(fetch_file(source, CONFIG), source.ref)
        theirs = read_json(fetch_file(owner, CONFIG), owner.ref)
        files[CONFIG] = json_text(with_owners_tokens(own, theirs, self._rows.size))
        if GENERATION in file_sizes(source):
            fields = read_json(fetch_file(source, GENERATION), source.ref)
            old: Any = self._models[number].tokenizer
            files[GENERATION] = json_text(
                renumbered(fields, old.get_vocab(), self._tokenizer.get_vocab())
            )
        return files

    def _chosen_template(self) -> tuple[dict[str, str] | None, str | None]:
        """The chat templates that replace the owner's as files, and whose they are, in words."""
        if not self._files:
            source = self._models[self._owner].source
            names = filter(_is_tokenizers, needed_files(source))
            self._files = {name: fetch_file(source, name) for name in names}
        held = [templates_of(each) for each in self._models]
        parents = range(len(self._recipe.models))
        wanted, own = self._recipe.chat_template, held[self._owner]
        if wanted is None:
            number = next((n for n in (self._owner, *parents) if held[n]), None)
        elif wanted == AUTO:
            texts = [json.dumps(held[n], sort_keys=True) for n in parents if held[n]]
            first = Counter(texts).most_common(1)
            number = next(
                (
                    n
                    for n in parents
                    if first and json.dumps(held[n], sort_keys=True) == first[0][0]
                ),
                None,
            )
        elif wanted == BASE or len(wanted) == 1:
            number = self._number(wanted)
            if not held[number]:
                raise RecipeError(
                    f"{option('chat_template', wanted)}: {self._names[number]} has none",
                    field="chat_template",
                )
        else:
            return {TEMPLATE: wanted}, "the recipe's own"
        if number is None:
            return None, None
        chosen = None if held[number] == own else held[number]
        return chosen, f"{self._names[number]}'s"

    def _used(self) -> VocabularyUsed:
        wanted = self._tokenizer.get_vocab()
        numbers = list(wanted.values())
        models = []
        for number, each in enumerate(self._models):
            tokenizer: Any = each.tokenizer
            own = tokenizer.get_vocab()
            lacking = 0
            if self._rows is not None:
                there = [n for n in numbers if n < self._rows.size]
                lacking = int((self._rows.own[number][there] == ABSENT).sum())
            key, dropped = self._keys[number], len(own.keys() - wanted.keys())
            models.append(OfModel(key, len(own), lacking, dropped))
        size = vocabulary_size(self._models[self._owner].config) or 0
        return VocabularyUsed(
            tokenizer=self._recipe.tokenizer or "A",
            owner=self._names[self._owner],
            tokens=len(wanted),
            rows=size if self._rows is None else self._rows.size,
            models=tuple(models),
            template=self._template_of,
        )


class _Tables:
    """The tables of all models, by the names they are stored under."""

    def __init__(self, models: Sequence[Description], kept: Sequence[Stored], rows: Rows) -> None:
        self._kept, self._rows = kept, rows
        self._axes = table_axes(models[0])
        outline = skeleton(models[0].config, models[0].code_folder)
        self._names = [names_in(each) for each in kept]
        tied = {name: names for names in tied_names(outline) for name in names}
        self._reads = [self._reader(number, tied) for number in range(len(kept))]
        self._filled: dict[str, Tensor] = {}
        for number, description in enumerate(models):
            self._check(number, description)

    def of(self, number: int) -> tuple[list[Slot], set[str], Callable[[Slot], Tensor]]:
        """Tensors of a model as they will be, names of those that change, and what these are."""
        slots, changed, stays = [], set(), self._stays(number)
        for slot in self._kept[number].slots():
            axis = self._axes.get(self._names[number][slot.name])
            if axis is not None and not stays:
                shape = tuple(
                    self._rows.size if n == axis else side for n, side in enumerate(slot.shape)
                )
                slot = Slot(slot.name, slot.dtype, shape)
                changed.add(slot.name)
            slots.append(slot)

        def value(slot: Slot) -> Tensor:
            checkpoint, name = self._kept[number].checkpoint, self._names[number][slot.name]
            assert checkpoint is not None
            axis = self._axes[name]
            if name not in self._filled:
                self._filled[name] = filled_rows(name, axis, self._reads, self._rows)
            table = checkpoint[slot.name]
            return aligned_table(table, axis, number, self._filled[name], self._rows)

        return slots, changed, value

    def _stays(self, number: int) -> bool:
        return Rows((self._rows.own[number],), self._rows.fills).same and self._size_of(number) in (
            None,
            self._rows.size,
        )

    def _size_of(self, number: int) -> int | None:
        for name, header in self._kept[number].headers.items():
            axis = self._axes.get(self._names[number][name])
            if axis is not None and axis < len(header.shape):
                return header.shape[axis]
        return None

    def _reader(self, number: int, tied: Mapping[str, Sequence[str]]) -> Read:
        kept = self._kept[number]
        stored_as = {model: name for name, model in self._names[number].items()}

        def read(name: str) -> Tensor | None:
            found = tied_to(tied, name, stored_as)
            if found not in stored_as or kept.checkpoint is None:
                return None
            return kept.checkpoint[stored_as[found]]

        return read

    def _check(self, number: int, description: Description) -> None:
        """Raises: WeightsError, if a table has another number of rows than is said."""
        said = vocabulary_size(description.config)
        for name, header in self._kept[number].headers.items():
            axis = self._axes.get(self._names[number][name])
            if axis is not None and (axis >= len(header.shape) or header.shape[axis] != said):
                raise WeightsError(
                    f"{name} of {description.source.ref} does not fit its {CONFIG}",
                    found=f"{list(header.shape)}, and vocab_size {said}",
                )


def _nothing(slot: Slot) -> Tensor:
    raise AssertionError(f"{slot.name} does not change")


def _is_tokenizers(name: str) -> bool:
    return name in FILES or _is_template(name)


def _is_template(name: str) -> bool:
    return name == TEMPLATE or name.startswith(f"{TEMPLATES}/")
