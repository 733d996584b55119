"""Automatic speech recognition: encoder-decoders that write what is said, as Whisper does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.data.column_types import TRANSCRIPTS
from hubmerge.tasks._architectures import loads
from hubmerge.tasks._registry import register
from hubmerge.tasks._task import Example, Measure, Task, Words
from hubmerge.tasks._texts import TOKENIZER_FILES

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from hubmerge.data.dataset import DataSet
    from hubmerge.data.reading import ReadFor, Reading
    from hubmerge.models.outputs import RowStatistics

AUTO_CLASS = "AutoModelForSpeechSeq2Seq"
MODEL_TYPES = ("whisper", "speech_to_text")
"""Those whose decoder says tokens of a text, and whose extractor makes spectra of recordings."""


def accepts(config: PreTrainedConfig) -> bool:
    """Whether the model writes texts of recordings."""
    return config.model_type in MODEL_TYPES and loads(AUTO_CLASS, config)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """Recordings and what is said in them. Raises: DataError."""
    from hubmerge.data.sound_rows import read_speech

    return read_speech(data, wanted)


def statistics(config: PreTrainedConfig) -> RowStatistics:
    """Figures of each text: logits over a vocabulary would not fit into memory."""
    from hubmerge.models.token_outputs import TokenStatistics

    return TokenStatistics()


TASK = register(
    Task(
        name="automatic-speech-recognition",
        summary="encoder-decoders that write what is said: Whisper",
        pipeline_tag="automatic-speech-recognition",
        auto_class=AUTO_CLASS,
        auto_processor="AutoProcessor",
        accepts=accepts,
        label_axes={},
        companion_files=(
            "generation_config.json",
            "normalizer.json",
            "preprocessor_config.json",
            "processor_config.json",
            *TOKENIZER_FILES,
        ),
        probe=probe,
        inputs=("audio",),
        columns="a recording, and what is said in it",
        read=read,
        measures=(
            Measure(
                name="spoken tokens",
                statistics=statistics,
                answers=TRANSCRIPTS,
                words=Words(
                    accuracy="token accuracy",
                    loss="perplexity",
                    nats="nats per token",
                    scale="perplexity is the exponential of the mean loss of a token of what is "
                    "said in nats, given all tokens before it",
                    measured="perplexity, token accuracy and calibration error, of what is said "
                    "given token by token",
                    exponential=True,
                ),
            ),
        ),
        example=Example(
            once='"sound.wav"',
            use=(
                "sound = [0.0] * 16_000  # one second of yours, at 16,000 samples",
                'inputs = processor(sound, sampling_rate=16_000, return_tensors="pt")',
                "said = model.generate(**inputs, max_new_tokens=20)",
                "print(processor.batch_decode(said, skip_special_tokens=True))",
            ),
        ),
    )
)
