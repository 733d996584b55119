"""What each contender of a merge says to one image, text or prompt, and to rows of the data set."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hubmerge.errors import DataError, NotFoundError
from spaces_app.service.log import log

if TYPE_CHECKING:
    from hubmerge.data.dataset import DataSet
    from hubmerge.hub.loaded_model import LoadedModel
    from hubmerge.recipe import Recipe

Kind = Literal["image", "text", "prompt"]
Said = list[list[Any]]
"""[text, probability], the most likely first; of a generated text one, without probability."""

TOP_CLASSES = 5
"""Number of classes a prediction lists."""
CONTENDERS = "contenders.json"
"""File beside the merge: name -> folder of every model that predicts."""
SAMPLES = "samples.json"
"""File beside the merge: rows of the data set, and what every contender says to them."""
ROWS = 8
"""Rows that can be tried with one click."""
SIDE = 160
"""Pixels of a row's picture, at most, on either side."""
CHARACTERS = 400
"""Of a row's text that are read and shown."""
PROMPT_WORDS = 8
"""Words of a row that a language model continues."""
NEW_TOKENS = 24
"""Tokens that are generated, greedily."""
KINDS: Mapping[str, Kind] = {
    "feature-classification": "image",
    "image-classification": "image",
    "text-classification": "text",
    "text-generation": "prompt",
    "text2text-generation": "prompt",
}
"""Task -> what its models are asked with."""


@dataclass(frozen=True)
class Row:
    """A row of the data set. truth: its label or, of a prompt, how the row goes on."""

    content: Any
    truth: str | None


def contenders(folder: Path) -> Iterator[tuple[str, LoadedModel]]:
    """Every contender that is there, loaded one after the other. Raises: NotFoundError."""
    from hubmerge.hub.load import load

    noted = folder / CONTENDERS
    if not noted.is_file():
        raise NotFoundError("there are no models for predictions", hint="merge again")
    for name, place in json.loads(noted.read_text(encoding="utf-8")).items():
        if Path(place).is_dir():  # else removed from the cache meanwhile
            yield name, load(place)


def ask(loaded: LoadedModel, content: Any) -> Said:
    """What a model says to an image or a text. Raises: DataError, if it takes none."""
    kind = kind_of(loaded)
    if kind == "prompt":
        return [[_continued(loaded, content), None]]
    return _classes(loaded, content, kind)


def kind_of(loaded: LoadedModel) -> Kind:
    """What the model is asked with. Raises: DataError."""
    from hubmerge.tasks import has_classes, why_not_one_of_n

    kind = None if loaded.task is None else KINDS.get(loaded.task.name)
    if kind is None or (kind != "prompt" and not has_classes(loaded.config)):
        raise DataError("these models take no image and no text, or have no classes")
    if kind != "prompt" and (why := why_not_one_of_n(loaded.config)) is not None:
        raise DataError("no class can be named that is the right one", found=why)
    needed = loaded.processor if kind == "image" else loaded.tokenizer
    if needed is None:
        raise DataError("these models come without what prepares their inputs")
    return kind


def _classes(loaded: LoadedModel, content: Any, kind: Kind) -> Said:
    import torch

    if kind == "image":
        inputs = loaded.processor(content, return_tensors="pt")  # type: ignore[misc]
    else:
        inputs = loaded.tokenizer(content, return_tensors="pt", truncation=True)  # type: ignore[misc]
    known = inspect.signature(loaded.model.forward).parameters
    given = {name: value for name, value in inputs.items() if name in known}
    with torch.inference_mode():
        shares = loaded.model(**given).logits[0].double().softmax(0)
    top = shares.topk(min(TOP_CLASSES, len(shares)))
    return [
        [loaded.id2label[index], share]
        for index, share in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]


def _continued(loaded: LoadedModel, prompt: str) -> str:
    from hubmerge.models.continuation import continuations

    (said,) = continuations(loaded.model, loaded.tokenizer, [prompt[:CHARACTERS]], NEW_TOKENS)
    if said is None:
        raise DataError("the text is longer than these models read", hint="a shorter one")
    return said


def write_samples(folder: Path, recipe: Recipe) -> None:
    """Choose rows for `samples.json`, and ask every contender; nothing where that fails."""
    try:
        found = _samples(folder, recipe)
    except Exception as error:  # rows to try are no part of a merge, and fail none
        log("no_samples", error=repr(error)[:300])
        return
    if found is not None:
        (folder / SAMPLES).write_text(json.dumps(found), encoding="utf-8")


def _samples(folder: Path, recipe: Recipe) -> dict[str, Any] | None:
    from hubmerge.hub.fetch import fetch
    from hubmerge.hub.source import resolve
    from hubmerge.pipeline.open_data import open_splits

    if recipe.dataset is None:
        return None
    kind, rows, answers = None, [], {}
    for name, loaded in contenders(folder):
        if kind is None:
            kind = kind_of(loaded)
            source = resolve(recipe.dataset.id, repo_type="dataset")
            splits = open_splits(str(fetch(source)), recipe, loaded)
            chosen = splits.rows.evaluation
            rows = _rows(splits.data, chosen.split, chosen.indices[:ROWS], kind)
        answers[name] = [ask(loaded, row.content) for row in rows]
    if kind == "image":
        for place, row in enumerate(rows):
            shown = row.content.copy()
            shown.thumbnail((SIDE, SIDE))
            shown.save(folder / f"sample-{place}.png")
    shown_rows = [
        {"content": None if kind == "image" else row.content, "truth": row.truth} for row in rows
    ]
    return {"kind": kind, "rows": shown_rows, "answers": answers}


def _rows(data: DataSet, split: str, indices: Sequence[int], kind: Kind) -> list[Row]:
    """These rows, as they are shown and asked."""
    from hubmerge.data.pictures import open_picture, undecoded
    from hubmerge.data.pixels import to_mode

    dataset = undecoded(data.splits[split])
    rows = []
    for index in indices:
        cells = dataset[index]
        if kind == "image":
            image = to_mode(open_picture(cells[data.image_column], data.place), "RGB")
            rows.append(Row(image, _label(data, cells)))
        elif kind == "text":
            text = str(cells[data.text_column])[:CHARACTERS]
            if data.pair_column is not None:
                continue
            rows.append(Row(text, _label(data, cells)))
        else:
            words = str(cells[data.text_column])[:CHARACTERS].split()
            begun, after = words[:PROMPT_WORDS], words[PROMPT_WORDS:]
            rows.append(Row(" ".join(begun), " ".join(after[: 2 * PROMPT_WORDS]) or None))
    return rows


def _label(data: DataSet, cells: Mapping[str, Any]) -> str | None:
    """The true label of a row, by its name."""
    value = cells.get(data.label_column) if data.label_column else None
    if value is None:
        return None
    names = data.label_names
    if names is not None and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return str(value)
