"""Audio classification: labels of recordings, which the model's own extractor prepares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.tasks._architectures import loads
from hubmerge.tasks._classes import LABEL_AXES, MEASURES, by_problem_type
from hubmerge.tasks._registry import register
from hubmerge.tasks._task import Example, Task

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from hubmerge.data.dataset import DataSet
    from hubmerge.data.reading import ReadFor, Reading

AUTO_CLASS = "AutoModelForAudioClassification"


def accepts(config: PreTrainedConfig) -> bool:
    """Whether transformers loads the model as a classifier of sounds."""
    return loads(AUTO_CLASS, config)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """Recordings with labels. Raises: DataError, LabelError."""
    from hubmerge.data.sound_rows import read_sounds

    return read_sounds(data, wanted)


TASK = register(
    Task(
        name="audio-classification",
        summary="classifiers of recordings",
        pipeline_tag="audio-classification",
        auto_class=AUTO_CLASS,
        auto_processor="AutoFeatureExtractor",
        accepts=accepts,
        label_axes=LABEL_AXES,
        companion_files=("preprocessor_config.json", "processor_config.json"),
        probe=probe,
        inputs=("audio",),
        columns="a recording, and labels",
        read=read,
        measures=MEASURES,
        measure_of=by_problem_type,
        example=Example(
            once='"sound.wav"',
            use=(
                "sound = [0.0] * 16_000  # one second of yours, at 16,000 samples",
                'inputs = processor(sound, sampling_rate=16_000, return_tensors="pt")',
                "print(model(**inputs).logits, model.config.id2label)",
            ),
        ),
    )
)
