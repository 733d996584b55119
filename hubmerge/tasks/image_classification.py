"""Image classification: one label for an image, which the model's own processor prepares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.tasks import feature_classification
from hubmerge.tasks._architectures import loads
from hubmerge.tasks._classes import LABEL_AXES, MEASURES, by_problem_type
from hubmerge.tasks._registry import register
from hubmerge.tasks._task import Example, Task

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from hubmerge.data.dataset import DataSet
    from hubmerge.data.reading import ReadFor, Reading

AUTO_CLASS = "AutoModelForImageClassification"


def accepts(config: PreTrainedConfig) -> bool:
    """Whether transformers loads the model as an image classifier, and it takes images alone."""
    return loads(AUTO_CLASS, config) and not feature_classification.accepts(config)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """Images through the processor. Raises: DataError, LabelError."""
    from hubmerge.data.batches import image_reader
    from hubmerge.data.reading import read_labelled

    reader = image_reader(data, wanted.model, wanted.processor)
    return read_labelled(data, wanted, reader, "images")


TASK = register(
    Task(
        name="image-classification",
        summary="image classifiers",
        pipeline_tag="image-classification",
        auto_class=AUTO_CLASS,
        auto_processor="AutoImageProcessor",
        accepts=accepts,
        label_axes=LABEL_AXES,
        companion_files=("preprocessor_config.json", "processor_config.json"),
        probe=probe,
        inputs=("image",),
        columns="an image, and labels",
        read=read,
        measures=MEASURES,
        measure_of=by_problem_type,
        example=Example(
            before=("from PIL import Image",),
            use=(
                'image = Image.new("RGB", (64, 64))  # yours',
                'inputs = processor(images=image, return_tensors="pt")',
                "said = model(**inputs).logits",
                "print(model.config.id2label[int(said.argmax())])",
            ),
            once='"image.jpg"',
        ),
    )
)
