"""Arrow columns whose values stand in a dictionary: how large they are once written out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def dictionaries(values: Any) -> Iterator[Any]:
    """The arrays of places in a dictionary within lists and structures."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        yield values
    elif pa.types.is_struct(kind):
        for part in values.flatten():
            yield from dictionaries(part)
    elif hasattr(values, "flatten") and pa.types.is_nested(kind):
        yield from dictionaries(values.flatten())


def dictionary_bytes(values: Any) -> Iterator[int]:
    """Bytes of texts and bytes that `values` takes from dictionaries, one dictionary at a time."""
    import pyarrow as pa
    import pyarrow.compute as compute

    for part in dictionaries(values):
        if part.type.value_type in (pa.binary(), pa.string(), pa.large_binary(), pa.large_string()):
            lengths = compute.cast(compute.binary_length(part.dictionary), "int64")
            yield compute.sum(lengths.take(part.indices)).as_py() or 0
