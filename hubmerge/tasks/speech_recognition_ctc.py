"""Speech recognition by pieces: models that say a token, or none, for each piece of a recording."""

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

AUTO_CLASS = "AutoModelForCTC"


def accepts(config: PreTrainedConfig) -> bool:
    """Whether transformers loads the model as one of connectionist temporal classification."""
    return loads(AUTO_CLASS, config)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """Recordings and the tokens that are said in them. Raises: DataError."""
    from hubmerge.data.sound_rows import read_pieces

    return read_pieces(data, wanted)


def statistics(config: PreTrainedConfig) -> RowStatistics:
    """Loss and errors of each recording; its padding token stands for nothing said."""
    from hubmerge.models.ctc_outputs import CtcStatistics

    return CtcStatistics(int(getattr(config, "pad_token_id", 0) or 0))


TASK = register(
    Task(
        name="speech-recognition-ctc",
        summary="models that say a token for each piece of a recording: wav2vec 2.0, HuBERT",
        pipeline_tag="automatic-speech-recognition",
        auto_class=AUTO_CLASS,
        auto_processor="AutoProcessor",
        accepts=accepts,
        label_axes={},
        companion_files=("preprocessor_config.json", "processor_config.json", *TOKENIZER_FILES),
        probe=probe,
        inputs=("audio",),
        columns="a recording, and what is said in it",
        read=read,
        measures=(
            Measure(
                name="spoken pieces",
                statistics=statistics,
                answers=TRANSCRIPTS,
                ensemble=False,
                one_of_n=False,
                words=Words(
                    accuracy="token error rate",
                    errs=True,
                    metric="token_error_rate",
                    nats="nats per token",
                    kind="connectionist temporal classification",
                    scale="losses in nats per token of what is said; the token error rate is of "
                    "characters where those are the tokens, and above 1 where errors are more than "
                    "tokens",
                    measured="loss and token error rate",
                    calibrates=False,
                ),
            ),
        ),
        example=Example(
            once='"sound.wav"',
            use=(
                "sound = [0.0] * 16_000  # one second of yours, at 16,000 samples",
                'inputs = processor(sound, sampling_rate=16_000, return_tensors="pt")',
                "print(processor.batch_decode(model(**inputs).logits.argmax(-1)))",
            ),
        ),
    )
)
