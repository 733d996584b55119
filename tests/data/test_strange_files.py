"""A data set opens its own files, of a bounded size, and nothing else, whatever it names."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from datasets import ClassLabel, Dataset, Features, Image
from PIL import Image as Pillow

from hubmerge.data import expansion, json_rows
from hubmerge.data.batches import BATCH_SIZE, _groups
from hubmerge.data.data_columns import DataColumns
from hubmerge.data.data_files import check_folder
from hubmerge.data.dataset import open_data
from hubmerge.data.pictures import FORMATS, NOWHERE, Place, open_picture
from hubmerge.errors import DataError
from hubmerge.utils import limits
from hubmerge.utils.untrusted import Unreadable

pytestmark = pytest.mark.usefixtures("own_cache")


def png(side: int = 8, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Pillow.new(mode, (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def bomb(side: int) -> bytes:
    """A picture of one bit a pixel; only its beginning, which is all that may be read."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A data set with one picture, and much beside it that is none of its own."""
    folder = tmp_path / "home" / "data"
    folder.mkdir(parents=True)
    (folder / "own.png").write_bytes(png())
    (tmp_path / "home" / "private.png").write_bytes(png())
    (folder / "out.png").symlink_to(tmp_path / "home" / "private.png")
    (folder / "in.png").symlink_to(folder / "own.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "a.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    return Place(folder, within=folder)


@pytest.mark.parametrize(
    "named",
    [
        "{home}/private.png",
        "{folder}/../private.png",
        "{folder}/x/../../private.png",
        "private.png",
        "own.png",
        "../private.png",
        "",
        ".",
        "/",
        "/dev/zero",
        "/proc/self/environ",
        "~/private.png",
        "{folder}2/own.png",
        "{folder}/out.png",
        "{folder}/zero.png",
        "{folder}/loop.png",
        "{folder}/pipe.png",
        "{folder}/a.png",
        "{folder}/none.png",
        "{folder}/own.png\0",
        "{folder}/" + "x" * 300,
        "file://{folder}/own.png",
        "http://127.0.0.1:{port}/own.png",
        "https://127.0.0.1:{port}/own.png",
        "hf://datasets/me/data/own.png",
        "zip://own.png::http://127.0.0.1:{port}/a.zip",
        "zip://own.png::{home}/a.zip",
        "s3://bucket/own.png",
        r"\\server\share\own.png",
        r"C:\own.png",
    ],
)
def test_a_row_names_no_file_but_the_data_sets_own(place: Place, named: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        port = listener.getsockname()[1]
        filled = named.format(folder=place.folder, home=place.folder.parent, port=port)
        with pytest.raises((Unreadable, OSError)):
            open_picture({"bytes": None, "path": filled}, place)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_its_own_files_are_opened(place: Place) -> None:
    for name in ("own.png", "in.png"):
        cell = {"bytes": None, "path": str(place.folder / name)}
        assert open_picture(cell, place).size == (8, 8)
    # Links of a folder that the user named lead where they lead.
    own = Place(place.folder)
    cell = {"bytes": None, "path": str(place.folder / "out.png")}
    assert open_picture(cell, own).size == (8, 8)


LOSSLESS = {
    "WEBP": {"lossless": True},
    "JPEG2000": {"irreversible": False},
    "AVIF": {"quality": 100},
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read(kind: str) -> None:
    """A name that Pillow knows no reader of would stop all that are tried after it."""
    colours = [(200, 30, 30), (30, 200, 30), (90, 90, 90), (0, 0, 0)]
    picture = Pillow.new("RGB", (32, 16))
    for place, colour in enumerate(colours):
        picture.paste(colour, (8 * place, 0, 8 * place + 8, 16))
    buffer = io.BytesIO()
    picture.save(buffer, kind, **LOSSLESS.get(kind, {}))
    found = open_picture({"bytes": buffer.getvalue(), "path": None}, NOWHERE, "RGB")
    away = np.abs(np.asarray(found, int) - np.asarray(picture, int)).mean()
    assert away < (10 if kind in ("JPEG", "AVIF") else 1)


def test_bytes_go_before_a_name(place: Place) -> None:
    assert open_picture({"bytes": png(5), "path": "/dev/zero"}, place).size == (5, 5)


def gif() -> bytes:
    buffer = io.BytesIO()
    Pillow.new("L", (4, 4)).save(buffer, "GIF")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        bomb(13_000),
        bomb(50_000),
        bomb(2**31 - 1),
        b"",
        b"\x89PNG\r\n\x1a\n",
        png()[:40],
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        gif()[:12],
        b"\xff\xd8\xff",
        b"BM" + bytes(60),
        b"P6 99999999 99999999 255\n",
        b"II*\0\x08\0\0\0",
    ],
    ids=range(13),
)
def test_pictures_that_are_none_or_far_too_large(content: bytes) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  each in its own way; a reader says DataError
        open_picture({"bytes": content, "path": None}, NOWHERE)


def test_what_is_no_picture_is_said_in_words() -> None:
    with pytest.raises(Unreadable, match=r"it is none of these: .*PNG"):
        open_picture({"bytes": b"<svg/>", "path": None}, NOWHERE)


@pytest.mark.parametrize(
    "cell", [None, {}, {"bytes": None, "path": None}, {"path": 7}, 7, "/x", []]
)
def test_cells_without_a_picture(cell: Any) -> None:
    with pytest.raises(Unreadable, match="there is none"):
        open_picture(cell, NOWHERE)


def test_large_pictures_are_prepared_a_few_at_a_time() -> None:
    small = [Pillow.new("1", (100, 100))] * BATCH_SIZE
    assert [len(group) for group in _groups(small)] == [BATCH_SIZE]
    large = [Pillow.new("1", (8000, 5000))] * 5
    assert [len(group) for group in _groups(large)] == [2, 2, 1]


TYPES = Features({"image": Image(), "label": ClassLabel(names=["a", "b"])})


def write(folder: Path, cells: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    rows = {"image": cells, "label": [n % 2 for n in range(len(cells))]}
    parquet.write_table(Dataset.from_dict(rows, features=TYPES).data.table, folder / "test.parquet")
    return folder


def test_rows_are_opened_undecoded(tmp_path: Path) -> None:
    (tmp_path / "private.png").write_bytes(png())
    folder = write(tmp_path / "d", [{"bytes": None, "path": str(tmp_path / "private.png")}] * 4)
    data = open_data(folder, ref="me/d")
    assert data.splits["test"][0]["image"]["bytes"] is None
    with pytest.raises(Unreadable, match="no file of the data set"):
        open_picture(data.splits["test"][0]["image"], data.place)


def test_folders_of_pictures_are_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "d" / "test" / name).mkdir(parents=True)
        for n in range(3):
            (tmp_path / "d" / "test" / name / f"{n}.png").write_bytes(png(4 + n))
    data = open_data(tmp_path / "d", ref="me/d")
    sizes = {open_picture(row["image"], data.place).size for row in data.splits["test"]}
    assert sizes == {(4, 4), (5, 5), (6, 6)}


def test_zipped_pictures_are_read(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with zipfile.ZipFile(tmp_path / "d" / "test.zip", "w") as archive:
        for n in range(4):
            archive.writestr(f"{n}.png", png(4 + n))
    data = open_data(tmp_path / "d", ref="me/d", split="test", columns=DataColumns(labelled=False))
    sizes = [open_picture(row["image"], data.place).size for row in data.splits["test"]]
    assert sorted(sizes) == [(4, 4), (5, 5), (6, 6), (7, 7)]


PATTERNS = (
    "/etc/*",
    "../*.csv",
    "x/../../*.csv",
    "~/x.csv",
    "https://127.0.0.1:9/x.csv",
    "hf://datasets/me/other/x.csv",
    "zip://x.csv::a.zip",
    "file:///etc/passwd",
    "memory://x",
    "C:\\x.csv",
    "\\\\server\\x.csv",
)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("form", ["text", "list", "splits", "settings", "data_dir"])
def test_a_card_names_no_files_elsewhere(tmp_path: Path, pattern: str, form: str) -> None:
    (tmp_path / "test.csv").write_text("text,label\na,0\n")
    said: Any = pattern
    if form == "list":
        said = ["test.csv", pattern]
    if form in ("splits", "settings"):
        said = [{"split": "test", "path": [pattern]}]
    field = "data_dir" if form == "data_dir" else "data_files"
    card = json.dumps({"configs": [{"config_name": "default", field: said}]})
    name = ".huggingface.yaml" if form == "settings" else "README.md"
    text = card if form == "settings" else f"---\n{card}\n---\n"
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="cannot be opened"):
        open_data(tmp_path, ref="me/d", columns=DataColumns(inputs=["text"], answers=None))


def state(name: Any) -> Callable[[Path], None]:
    def write_state(folder: Path) -> None:
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))

    return write_state


def splits(names: Any) -> Callable[[Path], None]:
    def write_splits(folder: Path) -> None:
        (folder / "dataset_dict.json").write_text(json.dumps({"splits": names}))

    return write_splits


def nested(folder: Path) -> None:
    (folder / "test").mkdir()
    state("/etc/passwd")(folder / "test")
    splits(["test"])(folder)


def deep(folder: Path) -> None:
    (folder / "state.json").write_text("[" * 3000)


def aliases(folder: Path) -> None:
    (folder / "README.md").write_text("---\na: &a [x]\nb: [*a, *a]\n---\n")


@pytest.mark.parametrize(
    "make",
    [
        state("/etc/passwd"),
        state("../x.arrow"),
        state(7),
        state(""),
        state("a/b.arrow"),
        splits(["../x"]),
        splits(["/etc"]),
        splits([{"a": 1}]),
        nested,
        deep,
        aliases,
    ],
    ids=range(11),
)
def test_what_was_saved_names_no_files_elsewhere(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path)
    with pytest.raises(DataError, match="cannot be opened"):
        check_folder(tmp_path, "me/d", None)


def test_links_of_a_downloaded_data_set_stay_in_the_cache(tmp_path: Path) -> None:
    folder, blobs = tmp_path / "cache" / "snapshots" / "a", tmp_path / "cache" / "blobs"
    folder.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "1").write_text("text\na\n")
    (folder / "test.csv").symlink_to("../../blobs/1")
    check_folder(folder, "me/d", tmp_path / "cache")
    (folder / "more.csv").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match="leads out"):
        check_folder(folder, "me/d", tmp_path / "cache")
    check_folder(folder, "me/d", None)


def squeezed(folder: Path) -> None:
    with gzip.open(folder / "test.csv.gz", "wb", compresslevel=9) as file:
        file.write(b"text\n" + bytes(1000) * 20_000)


def zipped(folder: Path) -> None:
    with zipfile.ZipFile(folder / "test.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("test.csv", b"text\n" + bytes(1000) * 20_000)


def tarred(folder: Path, name: str = "test.tar.gz") -> None:
    with tarfile.open(folder / name, "w:gz") as archive:
        entry = tarfile.TarInfo("test.csv")
        entry.size = 20 * limits.MB
        archive.addfile(entry, io.BytesIO(b"text\n" + bytes(entry.size)))


def nobody_says(folder: Path) -> None:
    with gzip.open(folder / "test.csv", "wb", compresslevel=9) as file:
        file.write(b"text\n" + bytes(1000) * 20_000)


def archived(beginning: bytes) -> Callable[[Path], None]:
    def write_archive(folder: Path) -> None:
        (folder / "test.csv").write_bytes(beginning + bytes(100))

    return write_archive


def table(values: Any, **options: Any) -> Callable[[Path], None]:
    """A parquet file of one column."""

    def write_table(folder: Path) -> None:
        parquet.write_table(pa.table({"text": values}), folder / "test.parquet", **options)

    return write_table


REPEATED = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), ["x" * 20_000])
"""A text that stands there once, and 5,000 times once it is read."""
SEVERAL = pa.ListArray.from_arrays(pa.array([0, 2_000, 5_000], pa.int32()), REPEATED)
WITHIN = pa.StructArray.from_arrays([REPEATED.cast(pa.string()).cast(pa.binary())], ["bytes"])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (squeezed, "becomes more"),
        (zipped, "becomes more"),
        (tarred, "becomes more"),
        (nobody_says, "becomes more"),
        (archived(b"\x28\xb5\x2f\xfd"), "cannot be opened"),
        (archived(b"\x04\x22\x4d\x18"), "cannot be opened"),
        (archived(b"Rar!\x1a\x07\x01\0"), "rar archive"),
        (archived(b"7z\xbc\xaf\x27\x1c"), "7z archive"),
        (table(pa.array(np.zeros(200_000, np.int8))), "claims 200,000 values"),
        (table(pa.array(np.zeros(90_000, np.float64))), "becomes more"),
        (table(REPEATED), "becomes more"),
        (table(REPEATED, store_schema=False), "becomes more"),
        (table(SEVERAL), "becomes more"),
        (table(WITHIN), "becomes more"),
        (
            table(
                REPEATED.cast(pa.string()),
                use_dictionary=False,
                column_encoding={"text": "DELTA_BYTE_ARRAY"},
            ),
            "DELTA_BYTE_ARRAY",
        ),
    ],
    ids=range(15),
)
def test_small_files_that_become_large(
    tmp_path: Path, make: Callable[[Path], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    monkeypatch.setattr(expansion, "EXPANSION_FREE", limits.MB // 2)
    monkeypatch.setattr(expansion, "HARMLESS", limits.MB // 20)
    monkeypatch.setattr(expansion, "ROWS", 100_000)
    with pytest.raises(DataError, match="cannot be opened") as refused:
        open_data(tmp_path, ref="me/d", columns=DataColumns(inputs=["text"], answers=None))
    assert said in str(refused.value)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_stream_is_measured_while_it_is_unpacked(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "test.csv"
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), codec) as stream:
        stream.write(b"text\n" + bytes(20 * limits.MB))
    with pytest.raises(Unreadable, match="becomes more"):
        expansion.refuse_within(path, "csv", 10 * limits.MB)
    expansion.refuse_within(path, "csv", 30 * limits.MB)
    with pytest.raises(Unreadable, match="is packed"):
        expansion.refuse_within(path, "parquet", 30 * limits.MB)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([f"{n % 7}" for n in range(20_000)]),
        pa.array([f"text {n} " * (n % 50) for n in range(2_000)]),
        pa.array([{"bytes": bytes([n % 256]) * 3_000, "path": None} for n in range(300)]),
        pa.array([["a", "b" * (n % 9)] for n in range(2_000)]),
        pa.array(np.arange(20_000)),
        pa.array([["x"]] * 100, pa.list_(pa.string(), 1)),
        pa.array([None] * 50, pa.string()),
    ],
    ids=range(7),
)
def test_honest_tables_are_read(
    tmp_path: Path, values: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expansion, "HARMLESS", 0)
    table(values)(tmp_path)
    expansion.refuse_within(tmp_path / "test.parquet", "parquet", 2 * limits.MB)


def test_formats_that_name_other_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "test.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DataError, match=r"hdf5|cannot be opened"):
        open_data(tmp_path, ref="me/d", columns=DataColumns(inputs=["text"], answers=None))


@pytest.mark.parametrize(
    "text",
    [
        "null",
        " \t null ",
        '{"text": "a"}\nnull\n',
        "\n" * 50 + "null",
        "\ufeffnull",
        " " * 40 + "null",
    ],
    ids=range(6),
)
@pytest.mark.parametrize("packed", ["plain", "gzip", "zip", "tar"])
def test_rows_of_json_that_are_null_are_refused(
    tmp_path: Path, text: str, packed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader of pyarrow would end the process."""
    monkeypatch.setattr(json_rows, "AT_ONCE", 16)
    path, content = tmp_path / "test.jsonl", text.encode()
    if packed == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.jsonl", content)
    elif packed == "tar":
        with tarfile.open(path, "w") as tar:
            entry = tarfile.TarInfo("a.jsonl")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    else:
        path.write_bytes(gzip.compress(content) if packed == "gzip" else content)
    with pytest.raises(Unreadable, match="is null"):
        json_rows.refuse_json(path)


def test_a_data_set_of_null_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text("null")
    with pytest.raises(DataError, match="line 1 of"):
        open_data(tmp_path, ref="me/d", columns=DataColumns(inputs=["text"], answers=None))
    with pytest.raises(DataError, match="line 1 of"):
        open_data(
            tmp_path / "test.jsonl", ref="me/d", columns=DataColumns(inputs=["text"], answers=None)
        )
    (tmp_path / "test.jsonl").write_text('{"text": "a", "b": null}\n{"text": null}\n')
    json_rows.refuse_json(tmp_path / "test.jsonl")
    utf16 = SimpleNamespace(encoding="utf-16")
    with pytest.raises(Unreadable, match="utf-16"):
        json_rows.refuse_json(tmp_path / "test.jsonl", utf16)
