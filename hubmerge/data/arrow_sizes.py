"""How large what an Arrow file holds becomes once it is read, looked at before anything keeps it.

Buffers of a record batch may be compressed, or stand in several places of it; blocks of a file may
be listed twice; values of a dictionary are written out in every row. What the metadata say of these
is what pyarrow itself allocates by. Sources: the IPC format of Arrow (Columnar.rst, "Serialization
and Interprocess Communication", Message.fbs, File.fbs), and FlatBuffers internals for their layout.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubmerge.data.dictionaries import dictionary_bytes
from hubmerge.utils.limits import COLUMNS, ROWS
from hubmerge.utils.untrusted import Unreadable

MAGIC = b"ARROW1"
"""What a file with a footer begins and ends with; a stream has none."""
LENGTH = struct.calcsize("<q")
"""Bytes before a compressed buffer, that say how many it becomes; -1: it is not compressed."""
OLD_COMPRESSION = b"ARROW:experimental_compression"
"""What files of Arrow 0.17 have instead of the field `compression`."""
RECORDS, DICTIONARY = "record batch", "dictionary"

# Numbers of fields in Message.fbs and File.fbs.
HEADER = 2
DICTIONARY_DATA = 1
BATCH_LENGTH, BATCH_NODES, BATCH_BUFFERS, BATCH_COMPRESSION = range(4)
FOOTER_DICTIONARIES, FOOTER_BATCHES = 2, 3


def arrow_sizes(path: Path) -> Iterator[int]:
    """Bytes of the parts of an Arrow file, or stream, as they are once they are read.

    Raises: Unreadable, if they cannot be told, or are not what their own type says.
    """
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as file:
            content = file.read_buffer()
            footed = bytes(content[: len(MAGIC)]) == MAGIC
            for message in _blocks(content) if footed else _stream(content):
                yield from _message_sizes(message)
            # What is unpacked from here on was measured before.
            read = pa.ipc.open_file if footed else pa.ipc.open_stream
            opened = read(content)
            if (columns := len(opened.schema)) > COLUMNS:
                raise Unreadable(f"{path.name!r} has {columns:,} columns, at most {COLUMNS:,}")
            yield from _checked(opened)
    except Unreadable:
        raise
    except (pa.ArrowException, struct.error, OSError, ValueError, LookupError) as error:
        raise Unreadable(f"{path.name!r} cannot be read: {error}") from error


def _stream(content: Any) -> Iterator[Any]:
    import pyarrow as pa

    yield from pa.ipc.MessageReader.open_stream(content)


def _blocks(content: Any) -> Iterator[Any]:
    """The messages that the footer of a file lists, as often as it lists them."""
    import pyarrow as pa

    end = bytes(content[-len(MAGIC) - 4 :])
    if not end.endswith(MAGIC):
        raise Unreadable("an Arrow file has no end")
    size = struct.unpack("<i", end[:4])[0]
    start = len(content) - len(end) - size
    if size <= 0 or start < 0:
        raise Unreadable(f"an Arrow file claims a footer of {size:,} bytes")
    footer = _Table.root(bytes(content[start : start + size]))
    for field in (FOOTER_DICTIONARIES, FOOTER_BATCHES):
        for offset, _, _ in footer.structs(field, "<qi4xq"):
            if not 0 <= offset < len(content):
                raise Unreadable(f"an Arrow file claims a block at {offset:,}")
            yield pa.ipc.read_message(content[offset:])


def _message_sizes(message: Any) -> Iterator[int]:
    """Bytes of every buffer of a message, and of what describes them.

    Raises: Unreadable, for more values than data have.
    """
    if message.type not in (RECORDS, DICTIONARY):
        return
    metadata, body = bytes(message.metadata), message.body
    batch = _Table.root(metadata).table(HEADER)
    if batch is not None and message.type == DICTIONARY:
        batch = batch.table(DICTIONARY_DATA)
    if batch is None:
        raise Unreadable("a message of an Arrow file is empty")
    lengths = [length for length, _ in batch.structs(BATCH_NODES, "<qq")]
    if (values := max([batch.number(BATCH_LENGTH, "<q"), *lengths])) > ROWS:
        raise Unreadable(f"an Arrow file claims {values:,} values in a column")
    yield len(metadata)
    packed = batch.table(BATCH_COMPRESSION) is not None or OLD_COMPRESSION in metadata
    for offset, length in batch.structs(BATCH_BUFFERS, "<qq"):
        if not 0 <= offset <= offset + length <= len(body):
            raise Unreadable(f"an Arrow file claims {length:,} bytes at {offset:,}")
        unpacked = -1
        if packed and length:
            unpacked = struct.unpack("<q", bytes(body[offset : offset + LENGTH]))[0]
        yield max(unpacked, length)


def _checked(reader: Any) -> Iterator[int]:
    """Bytes of values that stand in dictionaries, written out.

    Lengths and places within a batch are proven on the way: readers follow them without a look.
    """
    count = getattr(reader, "num_record_batches", None)
    batches = reader if count is None else (reader.get_batch(n) for n in range(count))
    for batch in batches:
        batch.validate(full=True)
        for column in batch.columns:
            yield from dictionary_bytes(column)


class _Table:
    """A table of a FlatBuffer: fields by number, of which each may be absent."""

    def __init__(self, content: bytes, place: int) -> None:
        self._content, self._place = content, place
        self._fields = place - self._at("<i", place)

    @classmethod
    def root(cls, content: bytes) -> _Table:
        """The one that everything else hangs on."""
        return cls(content, struct.unpack_from("<I", content)[0])

    def _at(self, kind: str, place: int) -> int:
        if place < 0:
            raise IndexError(f"it claims something at {place}")
        value: int = struct.unpack_from(kind, self._content, place)[0]
        return value

    def _field(self, number: int) -> int | None:
        entry = 4 + 2 * number
        if entry + 2 > self._at("<H", self._fields):
            return None
        offset = self._at("<H", self._fields + entry)
        return self._place + offset if offset else None

    def number(self, field: int, kind: str) -> int:
        """0 where it is absent."""
        place = self._field(field)
        return 0 if place is None else self._at(kind, place)

    def table(self, field: int) -> _Table | None:
        """The table that a field refers to."""
        place = self._field(field)
        return None if place is None else _Table(self._content, place + self._at("<I", place))

    def structs(self, field: int, kind: str) -> Iterator[tuple[int, ...]]:
        """The structs of a list, laid out as `kind`; nothing where it is absent."""
        place = self._field(field)
        if place is not None:
            start = place + self._at("<I", place)
            for number in range(self._at("<I", start)):
                place = start + 4 + number * struct.calcsize(kind)
                yield struct.unpack_from(kind, self._content, place)
