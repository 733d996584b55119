"""Sounds in rows of a data set: their own bytes, files of the data set, or samples with a rate.

WAV is read by scipy; other formats where the package soundfile is installed. Channels are
averaged, and what has another rate than the model takes is resampled.
"""

from __future__ import annotations

import io
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np

from hubmerge.data.pictures import Place, content_of
from hubmerge.utils.untrusted import Unreadable

if TYPE_CHECKING:
    from datasets import Dataset

SECONDS = 30
"""Of a sound, read at most: what Whisper hears at once (arXiv:2212.04356, section 2.2)."""
RATES = (1_000, 768_000)
"""Samples a second that a sound may have."""

LOUDEST = 4.0
"""Largest sample: filters and resampling go beyond 1, and by less than this."""
CHANNELS = 32
"""Most channels of a sound."""


def undecoded_sounds(rows: Dataset) -> Dataset:
    """`rows` whose sounds are left as they are stored: their bytes, or the name of a file."""
    from datasets import Audio

    for name, kind in rows.features.items():
        if isinstance(kind, Audio):
            rows = rows.cast_column(name, Audio(sampling_rate=kind.sampling_rate, decode=False))
    return rows


def open_sound(cell: Any, place: Place, rate: int) -> np.ndarray:
    """The beginning of a sound, float32 [samples] in [-1, 1], at `rate` samples a second.

    cell: has "bytes", the "path" of a file, or an "array" and its "sampling_rate".
    Raises: Unreadable, if it is none; OSError, ValueError and others, if it is damaged.
    """
    if not isinstance(cell, dict):
        raise Unreadable("there is none")
    if cell.get("array") is not None:
        samples, own = _in_columns(np.asarray(cell["array"], np.float32)), cell.get("sampling_rate")
    else:
        samples, own = _decoded(cell, place)
    if not isinstance(own, int) or not RATES[0] <= own <= RATES[1]:
        raise Unreadable(f"{own!r} samples a second")
    samples = samples[: SECONDS * own]
    if samples.ndim == 2:
        samples = samples.mean(axis=1, dtype=np.float32)
    if not len(samples) or not np.isfinite(samples).all():
        raise Unreadable("it has no samples, or some that are no numbers")
    if (loudest := float(np.abs(samples).max())) > LOUDEST:
        raise Unreadable(
            f"it has a sample of {loudest:g}: between -1 and 1 is what models hear; divide whole "
            "numbers of 16 bits by 32768"
        )
    return _resampled(samples, own, rate)


def _in_columns(samples: np.ndarray) -> np.ndarray:
    """[samples] or [samples, channels] of an array that may be [channels, samples], as decoders
    give it. Raises: Unreadable, where it cannot be known which.
    """
    if samples.ndim == 1:
        return samples
    few = [axis for axis, size in enumerate(samples.shape) if 0 < size <= CHANNELS]
    if samples.ndim != 2 or len(few) != 1:
        raise Unreadable(f"it is an array of {' x '.join(map(str, samples.shape))}")
    return samples.T if few == [0] else samples


def _decoded(cell: dict[str, Any], place: Place) -> tuple[np.ndarray, int]:
    """Samples [samples] or [samples, channels], and how many a second."""
    content, named = cell.get("bytes"), cell.get("path")
    if content is None:
        if not isinstance(named, str):
            raise Unreadable("there is none")
        content = content_of(named, place)
    if content[:4] == b"RIFF":
        from scipy.io import wavfile

        own, samples = wavfile.read(io.BytesIO(content))
        return _scaled(samples), int(own)
    try:
        import soundfile
    except ImportError as error:
        raise Unreadable("it is no WAV, and the package soundfile is not installed") from error
    samples, own = soundfile.read(io.BytesIO(content), dtype="float32")
    return samples, int(own)


def _scaled(samples: np.ndarray) -> np.ndarray:
    """Whole numbers as shares of the largest; float32."""
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    return samples.astype(np.float32)


def _resampled(samples: np.ndarray, own: int, rate: int) -> np.ndarray:
    if own == rate:
        return samples
    from scipy.signal import resample_poly

    common = gcd(own, rate)
    found: np.ndarray = resample_poly(samples, rate // common, own // common)
    return found.astype(np.float32)
