"""Merging tensor by tensor: parents read from disk as they are needed, shards written as they come.

Nothing here builds a model, so that the size of a merge is limited by the disk alone.
"""

from hubmerge.streaming.checkpoint import Checkpoint, Permuted
from hubmerge.streaming.fuse import Work, stream_fusion
from hubmerge.streaming.shards import Shards, ShardWriter, write_index

__all__ = [
    "Checkpoint",
    "Permuted",
    "ShardWriter",
    "Shards",
    "Work",
    "stream_fusion",
    "write_index",
]
