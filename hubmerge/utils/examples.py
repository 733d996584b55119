"""Examples in memory as rows of a data set: a list of them, or what a DataLoader draws from.

They are read once, from the first to the last, whatever order a loader would draw them in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hubmerge.errors import DataError


def is_loader(given: object) -> bool:
    """Whether it is a `torch.utils.data.DataLoader`, by what it has."""
    return hasattr(given, "dataset") and hasattr(given, "batch_sampler")


def are_examples(given: object) -> bool:
    """Whether it is a list of examples: mappings, or pairs of an input and a label."""
    return isinstance(given, list | tuple) and bool(given)


def rows_of(given: Any) -> Any:
    """A `datasets.Dataset` of the examples. Raises: DataError, for examples of another form."""
    import datasets

    source = given.dataset if is_loader(given) else given
    if isinstance(source, datasets.Dataset):
        return source.with_format(None)
    if not hasattr(source, "__len__") or not hasattr(source, "__getitem__"):
        raise DataError(
            "the examples have no numbers",
            found=f"{type(source).__name__}, which can only be gone through once",
            hint="give a list of examples, or a data set with a length",
        )
    return datasets.Dataset.from_list(list(_rows(source)))


def _rows(source: Any) -> Iterator[dict[str, Any]]:
    for number in range(len(source)):
        example = source[number]
        if isinstance(example, Mapping):
            yield {str(name): _plain(value) for name, value in example.items()}
        elif isinstance(example, str):
            raise DataError(
                f"example {number} is a text without the name of its column",
                found=f"{example!r:.60}",
                hint='give mappings, as {"text": ...}, or the id of one data set by itself',
            )
        elif isinstance(example, Sequence) and len(example) == 2:
            given, label = example
            found = _named(given, number)
            yield {**found, ("tags" if "tokens" in found else "label"): _plain(label)}
        else:
            raise _odd(number, example)


def _named(given: Any, number: int) -> dict[str, Any]:
    """An input under the name of its kind."""
    if isinstance(given, str):
        return {"text": given}
    if hasattr(given, "getbands"):  # a picture of Pillow
        return {"image": given}
    values = _plain(given)
    held = values if isinstance(values, list) and values else [None]
    if all(isinstance(each, float) for each in held):
        return {"features": values}
    if all(isinstance(each, str) for each in held):
        return {"tokens": values}
    raise _odd(number, given)


def _plain(value: Any) -> Any:
    """Arrays and tensors as numbers and lists of them."""
    return value.tolist() if hasattr(value, "tolist") else value


def _odd(number: int, example: object) -> DataError:
    return DataError(
        f"example {number} cannot be a row",
        found=f"a {type(example).__name__}",
        hint="give mappings of column to value, or pairs of an input and a label, where an input "
        "is a text, a list of words, a picture of Pillow or a list of numbers; a picture that was "
        "made a tensor cannot be prepared again",
    )
