"""How much is taken from strangers: every limit on what is read, and why it is that large.

Sizes are those of honest files with room to spare, so that a limit is met by what is made to be
too large, or by mistake. What a limit stops is an error of hubmerge's, before the work.
"""

from __future__ import annotations

from typing import Final

MB: Final = 1_000_000

JSON_BYTES: Final = 8 * MB
"""A configuration: that of ImageNet-21k, with 21,843 labels twice, has 1.6 MB."""
INDEX_BYTES: Final = 32 * MB
"""An index of shards: 100,000 tensors of 200 characters each have 25 MB."""
REPORT_BYTES: Final = 32 * MB
"""A report with every survey there is has about 1 MB."""
FRONT_MATTER_BYTES: Final = 2**18
"""Front matter of a card; the longest on the Hub list the columns of hundreds of configurations."""
YAML_EVENTS: Final = 50_000
"""Scalars, beginnings and ends of lists and mappings in YAML: 0.1 ms each."""
CARD_BYTES: Final = 4 * MB
"""A card with its text."""
RECIPE_BYTES: Final = 100_000
"""A recipe: every field, and the names of a hundred parents."""
COMPANION_BYTES: Final = 512 * MB
"""Any other file that is no weights, such as a tokenizer with 260,000 words (35 MB)."""

FETCH_PACE: Final = 20_000
"""Bytes in a second that the Hub has to send, averaged: the slowest lines of telephones."""
FETCH_PATIENCE: Final = 60.0
"""Seconds besides, for every answer."""
ANSWER_PATIENCE: Final = 60.0
"""Seconds in which nothing comes, after which a question is given up."""
COMMIT_PATIENCE: Final = 600.0
"""The same of what changes something on the Hub, which may take long there."""

LEVELS: Final = 64
"""Lists and mappings within each other: configurations have up to 6, data features up to 12."""
INTEGER_BITS: Final = 512
"""A whole number: tokenizers write 10^30 for "any length"."""
PLAIN_SCALAR: Final = 1_000
"""Characters of a word in YAML that could be a number, whose reading may take quadratic time."""

HEADER_BYTES: Final = 100 * MB
"""A safetensors header, by the format itself."""
MODULES_PER_TENSOR: Final = 64
"""Modules a model may have for every tensor that is stored: activations and dropout have none."""
MODULES_MORE: Final = 2_000
"""Modules besides."""
UNSTORED_ELEMENTS: Final = 2**28
"""Numbers in tables that a model computes for itself, such as positions: 1 GB in float32."""
PARAMETERS: Final = 10**12
"""Weights of a model that is built from its configuration alone."""
TENSORS: Final = 100_000
"""Tensors of such a model."""

LABELS: Final = 1_000_000
"""Classes of a model."""
LIST_ITEMS: Final = 10_000
"""Items of a list in a configuration, where the weights do not explain more."""

LARGEST_WEIGHT: Final = 1e9
"""A parameter: trained ones stay below 10^5, and products of two beyond 10^9 soon overflow."""

PIXELS: Final = 89_478_485
"""Of one picture: where Pillow begins to warn of decompression bombs. A camera has up to 60 MP."""
BATCH_PIXELS: Final = 100_000_000
"""Pictures that are decoded at a time: 0.3 GB as bytes, 1.2 GB as float32."""
PICTURE_BYTES: Final = 256 * MB
"""The file of one picture."""
PREPARED_ELEMENTS: Final = 2**24
"""Numbers a processor may make of one picture: 3 x 2364 x 2364, a hundred of which have 6.7 GB."""
SIDE: Final = 8_192
"""Pixels of a side that a processor may ask for."""

MODEL_FILES: Final = 20_000
"""Files in a model's folder: checkpoints of a training run beside it have some thousand."""
DATA_FILES: Final = 5_000_000
"""Files in a data set's folder: ImageNet has 1.4 million."""
ROWS: Final = 1_000_000_000
"""Rows of a file of a data set."""
COLUMNS: Final = 10_000
"""Columns of a table: `datasets` takes milliseconds for each. Rows of many numbers are one list."""
EXPANSION: Final = 200
"""How many times as large a compressed file of a data set may be once it is read: text is
compressed by 3 to 30."""
EXPANSION_FREE: Final = 200 * MB
"""Up to which size that does not matter."""
TEXT_CHARACTERS: Final = 10 * MB
"""One text: the Bible has 4.4 million. A tokenizer takes some seconds a million."""
TOKEN_CHARACTERS: Final = 1_000
"""Of the text from which one token is taken, on average, where only its beginning is measured."""
NAME_CHARACTERS: Final = 255
"""Of a file or folder, in bytes: what file systems take."""
QUOTED: Final = 600
"""Characters that an error quotes of what a library said."""


FILE_BYTES: Final = {
    "config.json": JSON_BYTES,
    "preprocessor_config.json": JSON_BYTES,
    "tokenizer_config.json": JSON_BYTES,
    "model.safetensors.index.json": INDEX_BYTES,
    "README.md": CARD_BYTES,
    "report.json": REPORT_BYTES,
    "hubmerge.yaml": RECIPE_BYTES,
}
"""Files that are fetched to be read at once -> the most bytes they may have."""


def most_bytes(name: str) -> float:
    """The most bytes a file of a repository may have to be fetched; weights may have any number."""
    if name.endswith(".safetensors"):
        return float("inf")
    return FILE_BYTES.get(name, COMPANION_BYTES)
