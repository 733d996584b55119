"""How large a file of a data set becomes once it is read, looked at before anything keeps it.

`datasets` unpacks by what a file begins with, whatever it is called; so does this.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from hubmerge.data.arrow_sizes import arrow_sizes
from hubmerge.data.dictionaries import dictionaries, dictionary_bytes
from hubmerge.utils.limits import COLUMNS, EXPANSION, EXPANSION_FREE, ROWS
from hubmerge.utils.untrusted import Unreadable

COLUMNAR = ("parquet", "arrow")
"""Builders of `datasets` whose files are compressed inside, and would be unpacked unseen."""
BLOCK = 1 << 20
TAR_BLOCK = 512
"""Bytes that a member of a tar archive takes beside its content."""
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
"""Physical type of parquet -> most bytes of a value; of texts, those of where it begins."""
HARMLESS = EXPANSION_FREE // 10
"""Bytes of a chunk's values, were each as long as all of it, that are not looked into."""
USUAL = 20
"""How many times as large as it is stored the values of an honest chunk may be."""
ROWS_AT_ONCE = 65_536
REPEATING = ("DELTA_BYTE_ARRAY",)
"""Encodings of parquet in which a value may be a few bytes and the one before it."""


def _arrow_stream(codec: str) -> Callable[[Path], Any]:
    def opened(path: Path) -> Any:
        import pyarrow as pa

        return pa.CompressedInputStream(pa.OSFile(str(path)), codec)

    return opened


STREAMS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": _arrow_stream("zstd"),
    b"\x04\x22\x4d\x18": _arrow_stream("lz4"),
}
"""Beginnings of compressed files whose size is known once they are read."""


def refuse_expansion(path: Path, builder: str) -> None:
    """Raises: Unreadable, if a file becomes far larger than data do, or cannot be measured.

    Parameters:
        builder: what reads it, as `datasets` calls it.
    """
    refuse_within(path, builder, max(EXPANSION * path.stat().st_size, EXPANSION_FREE))


def refuse_within(path: Path, builder: str, most: int) -> None:
    """As `refuse_expansion`, of a file that may become `most` bytes. Raises: Unreadable."""
    with path.open("rb") as file:
        start = file.read(8)
    packed = _packed_sizes(path, start, most)
    if packed is None:
        if builder == "parquet":
            _refuse_repetition(path, most)
        elif builder == "arrow" and _exceed(arrow_sizes(path), most):
            raise _becomes(path, most)
        return
    if builder in COLUMNAR:
        raise Unreadable(f"{path.name!r} is packed: {builder} is compressed inside; unpack it")
    if _exceed(packed, most):
        raise _becomes(path, most)


def contents(path: Path) -> Iterator[BinaryIO]:
    """The file, or what is packed in it, opened one after the other; sizes were checked before."""
    with path.open("rb") as file:
        start = file.read(8)
    opened = next((opened for begin, opened in STREAMS.items() if start.startswith(begin)), None)
    if tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            for member in archive:
                if (within := archive.extractfile(member)) is not None:
                    yield cast(BinaryIO, within)
    elif opened is not None:
        with opened(path) as file:
            yield cast(BinaryIO, io.BufferedReader(file))
    elif _archive_kind(path) == "zip":
        with zipfile.ZipFile(path) as zipped:
            for name in zipped.namelist():
                with zipped.open(name) as within:
                    yield cast(BinaryIO, within)
    else:
        with path.open("rb") as file:
            yield file


def _archive_kind(path: Path) -> str | None:
    """What `datasets` would unpack a file as, if it is no compressed stream."""
    from datasets.utils.extract import Extractor

    return Extractor.infer_extractor_format(path) or None


def _packed_sizes(path: Path, start: bytes, most: int) -> Iterator[int] | None:
    """Bytes of the parts of what is packed in a file; None if nothing is.

    Raises: Unreadable, for an archive whose size nothing can tell.
    """
    for beginning, opened in STREAMS.items():
        if start.startswith(beginning):
            # As a stream first: a compressed tar is not looked into before its size is known.
            if _exceed(_pieces(path, opened), most):
                raise _becomes(path, most)
            return _members(path) if tarfile.is_tarfile(path) else iter(())
    kind = _archive_kind(path)
    if kind and kind not in READ:
        raise Unreadable(f"{path.name!r} is a {kind} archive: unpack it, or pack it as zip or tar")
    return READ[kind](path) if kind else None


def _exceed(sizes: Iterator[int], most: int) -> bool:
    """Whether they sum to more than `most`; no more of them are looked at than it takes."""
    total = 0
    for size in sizes:
        total += size
        if total > most:
            return True
    return False


def _pieces(path: Path, opened: Callable[[Path], Any]) -> Iterator[int]:
    with opened(path) as file:
        while block := file.read(BLOCK):
            yield len(block)


def _members(path: Path) -> Iterator[int]:
    """Of a tar archive; a sparse one claims what it becomes."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                yield member.size + TAR_BLOCK
    except tarfile.TarError as error:
        raise Unreadable(f"{path.name!r} is a damaged archive: {error}") from error


def _zipped(path: Path) -> Iterator[int]:
    with zipfile.ZipFile(path) as archive:
        yield from (each.file_size for each in archive.infolist())


READ = {"tar": _members, "zip": _zipped}
"""Archives whose members can be listed -> what lists them."""


def _becomes(path: Path, most: int) -> Unreadable:
    return Unreadable(f"{path.name!r} of {path.stat().st_size:,} bytes becomes more than {most:,}")


def _refuse_repetition(path: Path, most: int) -> None:
    """Raises: Unreadable, if a parquet file claims more values than data sets have, or repeats
    values of a dictionary until they are far more than data are.
    """
    import pyarrow.parquet as parquet

    try:
        said = parquet.read_metadata(path)
    except Exception:  # damaged, in whatever way: reading it will say so
        return
    if said.num_row_groups and said.row_group(0).num_rows == 0:  # datasets stumbles over it
        raise Unreadable(f"{path.name!r} has no rows")
    if said.num_columns > COLUMNS:
        raise Unreadable(f"{path.name!r} has {said.num_columns:,} columns, at most {COLUMNS:,}")
    columns = [_Column(path, said, n) for n in range(said.num_columns)]
    if (values := max([said.num_rows, *(each.values for each in columns)])) > ROWS:
        raise Unreadable(f"{path.name!r} claims {values:,} values in a column")
    if sum(each.plain for each in columns) > most:
        raise _becomes(path, most)
    try:
        if _exceed((more for column in columns for more in column.sizes()), most):
            raise _becomes(path, most)
    except Unreadable:
        raise
    except (RuntimeError, LookupError, TypeError, ValueError) as error:  # pyarrow's are these
        raise Unreadable(f"{path.name!r} cannot be read: {error}") from error


class _Column:
    """A column of a parquet file, as its footer describes it."""

    def __init__(self, path: Path, said: Any, number: int) -> None:
        described = said.schema.column(number)
        self.path, self.name, self.length = path, described.path, described.length
        self.chunks = [said.row_group(n).column(number) for n in range(said.num_row_groups)]
        self.values = sum(chunk.num_values for chunk in self.chunks)
        self.plain = sum(chunk.total_uncompressed_size for chunk in self.chunks)

    def sizes(self) -> Iterator[int]:
        """Bytes of its values once they are read, some of them at a time.

        Raises: Unreadable, if they cannot be told.
        """
        for group, chunk in enumerate(self.chunks):
            kind, values = chunk.physical_type, chunk.num_values
            yield values * (WIDTHS.get(kind, 0) or max(self.length, 4))
            if kind != "BYTE_ARRAY" or values * chunk.total_uncompressed_size <= HARMLESS:
                continue
            if {*REPEATING} & {*chunk.encodings}:
                raise Unreadable(
                    f"{self.path.name!r} holds {self.name} in an encoding in which a few bytes can "
                    f"become many, {REPEATING[0]}: write it again with another"
                )
            if any("DICTIONARY" in encoding for encoding in chunk.encodings):
                yield from self._from_dictionary(group, chunk)

    def _from_dictionary(self, group: int, chunk: Any) -> Iterator[int]:
        """Of values that stand in a dictionary, which are read as their places in it."""
        import pyarrow.compute as compute
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(
            self.path, read_dictionary=[self.name], arrow_extensions_enabled=False
        ) as file:

            def parts(rows: int) -> Iterator[Any]:
                for batch in file.iter_batches(rows, row_groups=[group], columns=[self.name]):
                    yield from dictionaries(batch.column(0))

            if (first := next(parts(1), None)) is None:
                raise Unreadable(f"how large {self.name} of {self.path.name!r} is cannot be told")
            longest = compute.max(compute.binary_length(first.dictionary)).as_py() or 0
            if longest * chunk.num_values <= USUAL * chunk.total_uncompressed_size:
                yield longest * chunk.num_values
                return
            for part in parts(ROWS_AT_ONCE):
                yield from dictionary_bytes(part)
